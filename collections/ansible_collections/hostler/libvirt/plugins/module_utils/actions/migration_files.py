# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a VM that is to be moved, and what the other host has at their paths."""

from __future__ import annotations

import posixpath
import secrets
import time
from typing import Dict, List, Optional, Sequence, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.pool_facts import pool_facts
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import Disk
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError, HostUnreachable
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.pool import Pool
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.volume import Volume
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.create import FILE_POOLS
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration_facts import FileFacts, MovedFile
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import PoolFacts
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volumes import volume_name
from ansible_collections.hostler.libvirt.plugins.module_utils.storage import look_for_overlays, path_of

_HEAD_BYTES = 64 * 1024
_LOOKS = 3  # the beginning of a file that is written to may change between two reads of it
_SEEN_SECONDS = 5.0  # how long a network's file system may take to show what another host has made


def mark_of(name: str) -> str:
    """The name of the volume that says that the volume ``name`` is being copied here, or that this was cut off."""
    return f".{name}.moving"


def moved_files(source: Hypervisor, destination: Hypervisor, observed: ObservedMachine) -> Tuple[MovedFile, ...]:
    """Those of the VM's disks and media that are files or devices, as both hosts have them."""
    look_for_overlays(source)
    look_for_overlays(destination)
    disks = (*(observed.running.disks if observed.running else ()), *observed.definition.disks)
    files: Dict[str, MovedFile] = {}
    for disk in disks:
        path = path_of(source, disk)
        if path is not None and path not in files:
            files[path] = _file(source, destination, observed, disk, path)
    return tuple(files.values())


def disks_differ(observed: ObservedMachine) -> bool:
    """Whether it runs with other disks than it starts with next."""
    running = observed.running
    return running is not None and _sources(running.disks) != _sources(observed.definition.disks)


def proved_shared(source: Hypervisor, destination: Hypervisor, files: Sequence[MovedFile]) -> Dict[str, bool]:
    """Whether the destination has the same folder, by folder: a file that is made at the source shows up there.

    Of the folders in pools of files that files are in which the VM writes to, or that these are built on.
    """
    folders = {
        posixpath.dirname(one.path): one.here.pool.name
        for file in files
        if file.written
        for one in (file, *file.backing)
        if one.here is not None and one.here.pool.type in FILE_POOLS and one.there is not None
    }
    return {folder: _is_shared(source, destination, pool, folder) for folder, pool in folders.items()}


def _is_shared(source: Hypervisor, destination: Hypervisor, pool_name: str, folder: str) -> bool:
    probe = source.pool(pool_name).create_volume(f".hostler-shared-{secrets.token_hex(8)}", 0, "raw")
    try:
        deadline = time.monotonic() + _SEEN_SECONDS
        pools = [pool for pool in destination.pools() if _is_at(pool, folder)]
        while True:
            for pool in pools:
                pool.refresh_if_idle()
                if pool.find_volume(probe.name) is not None:
                    return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.2)
    finally:
        probe.delete()
        look_for_overlays(destination)  # which would go on taking it for one that is there


def _file(source: Hypervisor, destination: Hypervisor, observed: ObservedMachine, disk: Disk, path: str) -> MovedFile:
    volume = source.find_volume_at(path)
    there = destination.find_volume_at(path)
    name = posixpath.basename(path) if volume is None else volume.name
    pool = _pool_at(destination, posixpath.dirname(path))
    form = disk.format or "raw"  # as QEMU takes it, whatever its content looks like
    is_seed = volume_name("", observed.uuid, "seed-") in name and name.endswith(".iso")
    return MovedFile(
        target=disk.target,
        path=path,
        name=name,
        written=disk.device not in ("cdrom", "floppy") and not disk.read_only,
        shareable=disk.shareable,
        own_seed=observed.record is not None and is_seed,
        here=_facts(source, volume, form),
        there=_facts(destination, there, form),
        pool_there=pool,
        marked=pool is not None and destination.pool(pool.name).find_volume(mark_of(name)) is not None,
        alike=_alike(volume, there),
        # guests can write the header of a qcow2 into a raw disk, and name files of the host in it
        backing=() if form == "raw" else tuple(_chain(source, destination, disk, volume)),
    )


def _chain(source: Hypervisor, destination: Hypervisor, disk: Disk, volume: Optional[Volume]) -> List[MovedFile]:
    chain: List[MovedFile] = []
    path = None if volume is None else volume.facts().backing_path
    while path is not None and path not in [one.path for one in chain]:
        here, there = source.find_volume_at(path), destination.find_volume_at(path)
        chain.append(
            MovedFile(
                target=disk.target,
                path=path,
                name=posixpath.basename(path),
                written=False,
                here=_facts(source, here),
                there=_facts(destination, there),
                alike=_alike(here, there),
            )
        )
        path = None if here is None else here.facts().backing_path
    return chain


def _facts(hypervisor: Hypervisor, volume: Optional[Volume], form: Optional[str] = None) -> Optional[FileFacts]:
    """What the volume is, as a disk of the format ``form``, or as what it looks like."""
    if volume is None:
        return None
    facts = volume.facts()
    capacity = facts.length if form == "raw" and facts.type == "file" and facts.length is not None else facts.capacity
    pool = pool_facts(hypervisor.pool_of(volume))
    return FileFacts(pool, form or facts.format, capacity, facts.allocation, facts.length, facts.modified)


def _pool_at(hypervisor: Hypervisor, folder: str) -> Optional[PoolFacts]:
    found = (pool for pool in hypervisor.pools() if _is_at(pool, folder))
    return next((pool_facts(pool) for pool in found), None)


def _is_at(pool: Pool, folder: str) -> bool:
    kind, path = pool.type_and_path()
    return kind in FILE_POOLS and posixpath.normpath(path) == folder


def _alike(here: Optional[Volume], there: Optional[Volume]) -> bool:
    """Whether both look like the same file. The length of one that is written to may differ for a moment."""
    if here is None or there is None:
        return False
    for _look in range(_LOOKS):
        one, other = here.facts(), there.facts()
        if (one.format, one.capacity) == (other.format, other.capacity) and _head(here) == _head(there):
            return True
    return False


def _head(volume: Volume) -> Optional[bytes]:
    try:
        return volume.head(_HEAD_BYTES)
    except HostUnreachable:
        raise
    except HostlerError:
        return None  # a device that can't be read so; its sizes have to do


def _sources(disks: Sequence[Disk]) -> List[Tuple[object, ...]]:
    return [(disk.target, disk.path, disk.pool, disk.volume) for disk in disks]
