# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM's snapshots as they are wanted: looked at, planned, and, unless it is only asked for, done."""

from __future__ import annotations

import posixpath
import secrets
import time
from typing import Any, Callable, Dict, List, Optional, Sequence

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.one_machine import (
    find_one,
    not_found,
    observe_patiently,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.perform import StepReport, perform
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.snapshots import DOERS, users_beside
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import Disk
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.snapshot import Snapshots
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.create import FILE_POOLS
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot import plan_snapshot
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_steps import RemoveSnapshot, TakeSnapshot
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_wish import (
    SnapshotSurroundings,
    SnapshotWish,
    validate_wish,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import OneMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.snapshot import Snapshot, children_of
from ansible_collections.hostler.libvirt.plugins.module_utils.storage import look_for_overlays, path_of


def ensure_snapshot(
    hypervisor: Hypervisor,
    which: OneMachine,
    wish: SnapshotWish,
    check: bool = False,
    on_step: Callable[[StepReport], None] = lambda _report: None,
    fence: Callable[[], None] = lambda: None,
) -> Dict[str, Any]:
    """Bring the VM's snapshots to what is wanted; with ``check`` only say what that would change.

    ``on_step`` and ``fence`` are `perform`'s.

    Answers plain data: ``changed``, ``diff`` (``before``, ``after``), ``plan`` (steps), ``snapshot`` (the one that is
    meant, as it is now; None where there is none), ``removed`` (names) and ``vm`` (as it is now; None where there is
    none, which is no error for state absent). Raises what the plan and its steps raise.
    """
    wish = validate_wish(wish)
    domain = find_one(hypervisor, which)
    if domain is None:
        if wish.state != "absent":
            raise not_found(which)
        return _answer(Plan(), None, [], wish.snapshot)
    observed = observe_patiently(hypervisor, domain.uuid)
    present = Snapshots(domain).all()
    plan = plan_snapshot(observed, present, wish, _surroundings(hypervisor, observed, present, wish))
    if not check and plan.changed:
        perform(hypervisor, plan, on_step, fence, DOERS)
        observed = observe_patiently(hypervisor, domain.uuid)
        present = Snapshots(domain).all()
    taken = (step.operation.snapshot.name for step in plan.steps if isinstance(step.operation, TakeSnapshot))
    return _answer(plan, observed, present, next(taken, wish.snapshot))


def _answer(
    plan: Plan, observed: Optional[ObservedMachine], present: Sequence[Snapshot], name: Optional[str]
) -> Dict[str, Any]:
    data = plan.as_data()
    there = next((one for one in present if one.name == name), None)
    return {
        "changed": plan.changed,
        "diff": {"before": data["before"], "after": data["after"]},
        "plan": data["steps"],
        "snapshot": None if there is None else there.as_data(children_of(present, there.name)),
        "removed": [step.operation.name for step in plan.steps if isinstance(step.operation, RemoveSnapshot)],
        "vm": None if observed is None else observed.as_data(),
    }


def _surroundings(
    hypervisor: Hypervisor, observed: ObservedMachine, present: Sequence[Snapshot], wish: SnapshotWish
) -> SnapshotSurroundings:
    disks: Sequence[Disk] = ()
    if wish.state == "present" and wish.external:
        disks = (observed.running or observed.definition).disks
    has_external = bool(wish.external) or any(one.is_external for one in present)
    merges = has_external and (wish.state == "absent" or wish.keep is not None)
    return SnapshotSurroundings(
        now=int(time.time()),
        token=secrets.token_hex(4),
        folders={disk.target: _folder_beside(hypervisor, disk) for disk in disks},
        users=users_beside(hypervisor, observed.uuid, present) if merges else {},
        handles_external=has_external
        and (hypervisor.is_test_driver or hypervisor.has_guest_feature("externalSnapshot")),
    )


def _folder_beside(hypervisor: Hypervisor, disk: Disk) -> Optional[str]:
    """The folder of the disk's file, if that is in a storage pool of files: elsewhere nobody would find a new file."""
    path = path_of(hypervisor, disk)
    if path is None:
        return None
    volume = hypervisor.find_volume_at(path)
    if volume is None:
        look_for_overlays(hypervisor)  # it may be the file of a snapshot that somebody has taken by hand
        volume = hypervisor.find_volume_at(path)
    if volume is None or hypervisor.pool_of(volume).type_and_path()[0] not in FILE_POOLS:
        return None
    return posixpath.dirname(volume.path)


def snapshots_of(hypervisor: Hypervisor, which: OneMachine, name: Optional[str] = None) -> Dict[str, Any]:
    """Plain data of the VM's snapshots, or of the one of that name, in the order in which they were taken.

    ``exists`` is whether there is the VM. No QEMU is asked, so one that hangs keeps nobody waiting.
    """
    domain = find_one(hypervisor, which)
    if domain is None:
        known = {"name": which.name, "uuid": which.uuid}
        return {"exists": False, **{key: value for key, value in known.items() if value is not None}, "snapshots": []}
    present = Snapshots(domain).all()
    entries: List[Dict[str, Any]] = [
        one.as_data(children_of(present, one.name), _sizes(hypervisor, one))
        for one in present
        if name is None or one.name == name
    ]
    return {"exists": True, "name": domain.name, "uuid": domain.uuid, "snapshots": entries}


def _sizes(hypervisor: Hypervisor, snapshot: Snapshot) -> Dict[str, int]:
    found = {path: hypervisor.find_volume_at(path) for path in snapshot.files}
    return {path: volume.facts().allocation for path, volume in found.items() if volume is not None}
