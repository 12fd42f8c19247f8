# SPDX-License-Identifier: GPL-3.0-or-later
"""Which disks are a VM's own.

libvirt deletes the volume of a running guest, or the image that others are built on, without a word; that it does not
happen is ours to see to.
"""

from __future__ import annotations

import posixpath
import time
from typing import Container, Dict, Iterator, List, NamedTuple, Optional, Sequence

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import Disk, DomainDefinition
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import read_domain
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    MachineNotFound,
    OperationFailed,
    PoolNotFound,
    Unsupported,
    VolumeNotFound,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.pool import Pool
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.snapshot import Snapshots
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.volume import Volume
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.create import FILE_POOLS
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volumes import volume_name
from ansible_collections.hostler.libvirt.plugins.module_utils.snapshot import Snapshot

_BEING_MADE_SECONDS = 5.0
_LOOK_AGAIN_SECONDS = 0.05


def owned_disks(hypervisor: Hypervisor, machine: ObservedMachine) -> List[str]:
    """Paths of the disks that go with the VM when it is deleted with its disks.

    Its own are the volumes of active pools that it can write to, those that it could write to before its snapshots had
    it write to others, the memory of its snapshots, and the seed that we made for it; never one that is shareable, that
    its record says was there before, that another domain names, or that another volume has as its backing file, unless
    that one goes, too. Each stands before its backing file.
    """
    if not machine.definition.disks:
        return []
    snapshots: List[Snapshot] = []
    if machine.record is None or not machine.record.incomplete:  # of a VM that is not whole nobody has made any
        look_for_overlays(hypervisor)
        snapshots = _snapshots_of(hypervisor, machine.uuid)
    mine: List[str] = []
    kept = () if machine.record is None else machine.record.kept
    for disk in machine.definition.disks:
        path = _candidate(hypervisor, disk, machine.uuid, machine.record)
        if path is not None:
            mine += [one for one in (path, *_below(hypervisor, path, snapshots)) if one not in kept]
    mine += _memory_files(hypervisor, snapshots)
    return _unused(hypervisor, mine, machine.uuid)


def owned_among(hypervisor: Hypervisor, disks: Sequence[Disk], uuid: str, record: Optional[Record]) -> List[str]:
    """As `owned_disks`, of those ``disks`` of the VM with that UUID and record, which goes on without them.

    What one of its snapshots has is not among them: a revert would need it.
    """
    if not disks:
        return []
    look_for_overlays(hypervisor)
    kept = set() if record is None else set(record.kept)
    kept.update(
        path
        for one in _snapshots_of(hypervisor, uuid)
        for path in (*one.overlays, *(path_of(hypervisor, disk) for disk in one.frozen_disks))
        if path is not None
    )
    mine = (_candidate(hypervisor, disk, uuid, record) for disk in disks)
    return _unused(hypervisor, [path for path in mine if path is not None and path not in kept], uuid)


def _unused(hypervisor: Hypervisor, paths: Sequence[str], uuid: str) -> List[str]:
    """Those that nobody but the VM itself, and others of them, uses."""
    going = list(dict.fromkeys(paths))
    while going:
        taken = paths_in_use(hypervisor, except_uuid=uuid, except_paths=going)
        if not any(path in taken for path in going):
            break
        going = [path for path in going if path not in taken]  # and what is below one that stays is in use by that
    return going


def look_for_overlays(hypervisor: Hypervisor) -> None:
    """Let libvirt look into the folders of its pools: of an overlay that was made by hand it does not know before.

    Neither does it of the file that a VM writes to since a snapshot was taken beside it.
    """
    for pool in hypervisor.pools():
        if pool.type_and_path()[0] in FILE_POOLS:
            pool.refresh_if_idle()


def paths_in_use(hypervisor: Hypervisor, except_uuid: str, except_paths: Container[str] = ()) -> Dict[str, str]:
    """Paths that another domain names, as it is or as it runs, or that some volume has as its backing file.

    The domain with the UUID and the volumes at ``except_paths`` are no users.

    Each as it is written there and in the plain spelling that volumes have, with who it is that uses it, for people.
    What a link on the host leads to can't be asked of libvirt.
    """
    users: Dict[str, str] = {}
    for domain in hypervisor.domains():
        if domain.uuid == except_uuid:
            continue
        for definition in definitions_of(hypervisor, domain):
            for disk in definition.disks:
                path = path_of(hypervisor, disk)
                for one in (*disk.backing_paths, *(() if path is None else (path,))):
                    _claim(users, one, f"VM '{domain.name}'")
    for path, user in backing_files(hypervisor, except_paths).items():
        users.setdefault(path, user)
    return users


def backing_files(hypervisor: Hypervisor, except_paths: Container[str] = ()) -> Dict[str, str]:
    """Paths that some volume has as its backing file, as `paths_in_use` has them, with which volume that is.

    The volumes at ``except_paths`` are not asked.
    """
    users: Dict[str, str] = {}
    for one in overlays(hypervisor, except_paths):
        _claim(users, one.backing_path, f"volume '{one.volume}' in storage pool '{one.pool}'")
    return users


class Overlay(NamedTuple):
    """A volume that is built on the file at ``backing_path``, as it is written there."""

    pool: str
    volume: str
    backing_path: str


def overlays(hypervisor: Hypervisor, except_paths: Container[str] = ()) -> Iterator[Overlay]:
    """The volumes of active pools that have a backing file, but for those at ``except_paths``."""
    for pool in hypervisor.pools():
        for volume in pool.volumes():
            if volume.path in except_paths:
                continue
            backing = _backing_of(pool, volume)
            if backing is not None:
                yield Overlay(pool.name, volume.name, backing)


def _backing_of(pool: Pool, volume: Volume) -> Optional[str]:
    """What the volume is built on, None of one that has gone meanwhile.

    Libvirt lists a volume that is being made before there is a file, and then it can't be read: it is waited for, for
    what it is going to be built on may be what somebody is about to delete.
    """
    deadline = time.monotonic() + _BEING_MADE_SECONDS
    while True:
        try:
            return volume.facts().backing_path
        except VolumeNotFound as error:
            if pool.find_volume(volume.name) is None:
                return None
            if time.monotonic() >= deadline:
                # no word of a volume that is not found: it is not the one that anybody has asked for
                raise OperationFailed(f"Storage pool '{pool.name}' can't be read: {error.message}") from error
        except HostlerError:
            if pool.find_volume(volume.name) is None:
                return None
            raise
        time.sleep(_LOOK_AGAIN_SECONDS)


def definitions_of(hypervisor: Hypervisor, domain: Domain) -> List[DomainDefinition]:
    """The domain as it is defined and, if it runs, as it runs; none of one that has gone meanwhile."""
    try:
        definitions = [read_domain(domain.xml(inactive=True))]
        if domain.is_active():
            definitions.append(read_domain(domain.xml()))
    except HostlerError:
        if hypervisor.find_domain(domain.uuid) is None:
            return []
        raise
    return definitions


def _claim(users: Dict[str, str], path: str, user: str) -> None:
    for spelling in (path, _plain(path)):
        users.setdefault(spelling, user)


def _candidate(hypervisor: Hypervisor, disk: Disk, uuid: str, record: Optional[Record]) -> Optional[str]:
    path = path_of(hypervisor, disk)
    if path is None or disk.shareable:
        return None
    volume = hypervisor.find_volume_at(path)
    if volume is None:
        return None
    if disk.device == "disk" and not disk.read_only:
        return volume.path
    # the seed is read only, and ours: its name begins as only this VM's volumes do
    prefix = volume_name("", uuid, "seed-")
    is_seed = record is not None and prefix in volume.name and volume.name.endswith(".iso")
    return volume.path if is_seed else None


def _snapshots_of(hypervisor: Hypervisor, uuid: str) -> List[Snapshot]:
    try:
        return Snapshots(hypervisor.domain(uuid)).all()
    except (Unsupported, MachineNotFound):
        return []  # a driver without snapshots, or it has gone meanwhile


def holding_snapshots(hypervisor: Hypervisor, uuid: str) -> Dict[str, str]:
    """The name of an external snapshot of the VM for each of its disks that is in one, by the disk's target."""
    return {
        disk.target: one.name
        for one in _snapshots_of(hypervisor, uuid)
        for disk in one.disks
        if disk.kind == "external"
    }


def _below(hypervisor: Hypervisor, path: str, snapshots: Sequence[Snapshot]) -> Iterator[str]:
    """What a disk was before its external snapshots: of the chain below ``path`` what they tell of."""
    before = {
        path_of(hypervisor, disk)
        for one in snapshots
        if one.overlays
        for disk in one.frozen_disks
        if not disk.shareable
    }
    volume = hypervisor.find_volume_at(path)
    while volume is not None:
        backing = volume.facts().backing_path
        volume = None if backing is None or backing not in before else hypervisor.find_volume_at(backing)
        if volume is not None:
            yield volume.path


def _memory_files(hypervisor: Hypervisor, snapshots: Sequence[Snapshot]) -> Iterator[str]:
    for one in snapshots:
        volume = None if one.memory_file is None else hypervisor.find_volume_at(one.memory_file)
        if volume is not None:
            yield volume.path


def path_of(hypervisor: Hypervisor, disk: Disk) -> Optional[str]:
    """Where the disk's file or device is on the host; None for an empty drive and for what is no volume of the host."""
    if disk.path is not None:
        return disk.path
    if disk.pool is None or disk.volume is None:
        return None
    try:
        volume = hypervisor.pool(disk.pool).find_volume(disk.volume)
    except (PoolNotFound, WrongState):
        return None  # a pool that is gone, or not active, has no volume that anybody could delete
    return None if volume is None else volume.path


def _plain(path: str) -> str:
    return "/" + posixpath.normpath(path).lstrip("/")
