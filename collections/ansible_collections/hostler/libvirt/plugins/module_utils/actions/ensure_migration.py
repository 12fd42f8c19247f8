# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM on another host: both looked at, planned, and, unless it is only asked for, done."""

from __future__ import annotations

import dataclasses
import posixpath
from typing import Any, Dict, List, Optional, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.delete import deleted_disks
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.machine_doers import DOERS as MACHINE_DOERS
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.migration_files import (
    disks_differ,
    moved_files,
    proved_shared,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.migration_survey import (
    host_named,
    needs_of,
    other_host,
    sighted,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.migrations import Transfer, as_data, doers
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.one_machine import find_one, observe_patiently
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.perform import perform
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostUnreachable, MachineNotFound
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration import left_behind, plan_migration
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration_facts import (
    MigrationSurroundings,
    MovedFile,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration_host import require_another_host
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration_wish import MigrationWish
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import OneMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.storage import owned_disks


def open_destination(uri: str) -> Hypervisor:
    """Connect to the other host; what it raises says that it is about that one."""
    try:
        return Hypervisor.open(uri)
    except HostUnreachable as error:
        raise type(error)(f"{error.message} (the destination)", "destination_uri") from error


def ensure_migration(
    source: Hypervisor,
    destination: Hypervisor,
    which: OneMachine,
    wish: MigrationWish,
    destination_uri: str,
    check: bool = False,
) -> Dict[str, Any]:
    """Bring the VM from the one host to the other; with ``check`` only say what that would change.

    ``wish`` is valid. Answers plain data: ``changed``, ``diff`` (``before``, ``after``), ``plan`` (steps), ``vm`` (as
    it is now, where it is now), ``left`` (paths of files that stay at the source for nobody), ``deleted_disks`` and
    ``migration`` (what it took; None if nothing was migrated live). Raises what the plan and its steps raise.
    """
    around = _surroundings(source, destination, which, wish, check)
    owned: List[str] = []
    if wish.delete_source_disks and around.here is not None:
        owned = owned_disks(source, around.here.observed)
    plan = plan_migration(around, wish, destination_uri, owned)
    transfer = Transfer()
    if not check and plan.changed:
        perform(source, plan, doers={**MACHINE_DOERS, **doers(destination, transfer)})
    seen = around.here or around.there
    now = None if seen is None else _now(source, destination, seen.observed.uuid)
    data = plan.as_answer()
    return {
        "changed": plan.changed,
        "diff": data["diff"],
        "plan": data["plan"],
        "vm": now,
        "left": left_behind(around, plan),
        "deleted_disks": deleted_disks(plan),
        "migration": None if transfer.total_ms is None else as_data(transfer),
    }


def _now(source: Hypervisor, destination: Hypervisor, uuid: str) -> Optional[Dict[str, Any]]:
    for host in (destination, source):
        domain = host.find_domain(uuid)
        if domain is not None:
            return observe_patiently(host, uuid).as_data()
    return None


def _surroundings(
    source: Hypervisor, destination: Hypervisor, which: OneMachine, wish: MigrationWish, check: bool
) -> MigrationSurroundings:
    around = MigrationSurroundings(host_named(source), host_named(destination))
    require_another_host(around)
    domain, domain_there = _find(source, destination, which)
    around = dataclasses.replace(around, here=sighted(source, domain), there=sighted(destination, domain_there))
    if domain is None or around.here is None or around.there is not None:
        return around
    observed = around.here.observed
    needs = needs_of(domain)
    files = moved_files(source, destination, observed)
    around = dataclasses.replace(
        around,
        needs=needs,
        files=files,
        disks_differ=disks_differ(observed),
        other=other_host(source, destination, observed, needs),
    )
    if not check and not wish.copies:
        proved = proved_shared(source, destination, files)
        around = dataclasses.replace(around, files=tuple(_proved(file, proved) for file in files))
    return around


def _find(source: Hypervisor, destination: Hypervisor, which: OneMachine) -> Tuple[Optional[Domain], Optional[Domain]]:
    """The VM on each of the hosts; one that is at the source is the same there by its UUID only."""
    domain = find_one(source, which)
    if domain is not None:
        return domain, destination.find_domain(domain.uuid)
    there = find_one(destination, which)
    if there is None:
        raise MachineNotFound(f"VM {which.label} not found on either host", "name" if which.uuid is None else "uuid")
    return None, there


def _proved(file: MovedFile, proved: Dict[str, bool]) -> MovedFile:
    return dataclasses.replace(
        file,
        same=proved.get(posixpath.dirname(file.path)) if file.written or file.backing else None,
        backing=tuple(dataclasses.replace(one, same=proved.get(posixpath.dirname(one.path))) for one in file.backing),
    )
