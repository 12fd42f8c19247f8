# SPDX-License-Identifier: GPL-3.0-or-later
"""Making a VM of another one, all or nothing."""

from __future__ import annotations

import posixpath
import uuid as uuids
from typing import Dict, FrozenSet, List, Optional, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import clones
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.machine_doers import DOERS
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.names import require_free_name
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.perform import StepReport, perform
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.pool_facts import pool_facts
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.unfinished import take_away
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.variables import require_free_variables
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import Disk
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostUnreachable,
    NameTaken,
    SnapshotNotFound,
    Superseded,
    Unsupported,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.snapshot import Snapshots
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record, time_of_record
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.clone import disk_name, own_disks, plan_clone
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.clone_wish import CloneSource, CloneWish, SourceDisk
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import PoolFacts
from ansible_collections.hostler.libvirt.plugins.module_utils.snapshot import Snapshot
from ansible_collections.hostler.libvirt.plugins.module_utils.storage import (
    definitions_of,
    look_for_overlays,
    path_of,
)

# what a pool says of a file in which it finds no format that it knows
_RAW = (None, "raw", "iso")


def plan_for(hypervisor: Hypervisor, observed: ObservedMachine, wish: CloneWish) -> Plan:
    """Look at the source and its disks and plan the clone; carry it out with `clone`.

    Raises what `plan_clone` does, `SnapshotNotFound`, `PoolNotFound`, and `NameTaken`.
    """
    uuid = wish.uuid or str(uuids.uuid4())
    require_free_name(hypervisor, wish.name, uuid)
    if hypervisor.find_domain(uuid) is not None:
        raise NameTaken(f"A VM with UUID {uuid} already exists on this host", "uuid")
    if observed.definition.firmware == "uefi":
        require_free_variables(hypervisor, wish.name)
    source = _source(hypervisor, observed, wish, uuid)
    return plan_clone(source, wish, _record(observed, wish, uuid))


def clone(hypervisor: Hypervisor, uuid: str, plan: Plan) -> None:
    """Carry out a plan of `plan_for`. What a failed clone made is gone afterwards, or the error says what remains."""
    done: List[StepReport] = []
    try:
        perform(hypervisor, plan, done.append, doers={**DOERS, **clones.DOERS})
    except (Superseded, HostUnreachable):
        raise  # a host that is gone is looked at when it is back
    except Exception as error:
        # the first step defines it: where that failed, what is there is what somebody else is just making
        if any(one.state == "succeeded" for one in done):
            take_away(hypervisor, uuid, error)
        raise


def _record(observed: ObservedMachine, wish: CloneWish, uuid: str) -> Record:
    of_source = observed.record or Record(observed.uuid, "")
    return Record(
        uuid=uuid,
        created=time_of_record(),
        id=wish.record_id,
        owner=of_source.owner if wish.owner is None else wish.owner,
        os_type=of_source.os_type,
        os_version=of_source.os_version,
        description=of_source.description if wish.description is None else wish.description or None,
        tags=of_source.tags if wish.tags is None else wish.tags,
        metadata=of_source.metadata,
        cloned_from=observed.uuid,
    )


def _source(hypervisor: Hypervisor, observed: ObservedMachine, wish: CloneWish, uuid: str) -> CloneSource:
    domain = hypervisor.domain(observed.uuid)
    look_for_overlays(hypervisor)
    snapshot = None if wish.snapshot is None else _snapshot(domain, wish.snapshot)
    pool = None if wish.pool is None else pool_facts(hypervisor.pool(wish.pool).require_active())
    disks: Dict[str, SourceDisk] = {}
    then = {} if snapshot is None else {disk.target: disk for disk in snapshot.frozen_disks}
    writers = _writers(hypervisor, observed.uuid if snapshot is None else "")
    for disk in own_disks(observed):
        found = _source_disk(hypervisor, then.get(disk.target, disk), writers)
        if found is not None:
            disks[disk.target] = found
    return CloneSource(
        observed,
        domain.xml(inactive=True, secure=True),
        disks,
        snapshot,
        pool,
        _taken(hypervisor, wish, uuid, list(disks.values()), pool),
    )


def _snapshot(domain: Domain, name: str) -> Snapshot:
    found = Snapshots(domain).find(name)
    if found is None:
        raise SnapshotNotFound(f"VM '{domain.name}' has no snapshot '{name}'", "snapshot")
    return found


def _source_disk(hypervisor: Hypervisor, disk: Disk, writers: Dict[str, str]) -> Optional[SourceDisk]:
    path = path_of(hypervisor, disk)
    volume = None if path is None else hypervisor.find_volume_at(path)
    if path is None or volume is None:
        return None
    facts = volume.facts()
    if disk.encrypted:
        raise Unsupported(f"Disk {disk.target} is encrypted: what can't be read is not cloned", "source")
    kind = disk.format or "raw"
    if kind == "raw" and facts.format not in _RAW:
        # what the guest has written looks like an image of that format, which could name any file of the host
        raise Unsupported(f"Disk {disk.target} is raw, but its content looks like {facts.format}: not cloned", "source")
    size = facts.allocation
    below = facts.backing_path
    while below is not None:
        base = hypervisor.find_volume_at(below)
        known = None if base is None else base.facts()
        size, below = (facts.capacity, None) if known is None else (size + known.allocation, known.backing_path)
    writer = writers.get(volume.path) or writers.get(path)
    return SourceDisk(
        disk.target,
        volume.path,
        kind,
        facts.capacity,
        min(size, facts.capacity),
        pool_facts(hypervisor.pool_of(volume)),
        None if writer is None else f"VM '{writer}' writes to {path}",
        facts.modified,
    )


def _writers(hypervisor: Hypervisor, except_uuid: str) -> Dict[str, str]:
    """Who writes to which file, or would if it ran; the domain with that UUID is not asked."""
    writers: Dict[str, str] = {}
    for domain in hypervisor.domains():
        if domain.uuid == except_uuid:
            continue
        for definition in definitions_of(hypervisor, domain):
            for disk in definition.disks:
                path = None if disk.read_only or disk.device == "cdrom" else path_of(hypervisor, disk)
                if path is not None:
                    writers[posixpath.normpath(path)] = domain.name
    return writers


def _taken(
    hypervisor: Hypervisor, wish: CloneWish, uuid: str, disks: List[SourceDisk], wished: Optional[PoolFacts]
) -> FrozenSet[str]:
    names: List[Tuple[str, str]] = []
    for index, disk in enumerate(disks):
        pool = (wished or disk.pool).name
        names += [(pool, disk_name(wish.name, uuid, index, kind)) for kind in ("raw", "qcow2")]
    return frozenset(f"{pool}/{name}" for pool, name in names if hypervisor.pool(pool).find_volume(name) is not None)
