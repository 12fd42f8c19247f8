# SPDX-License-Identifier: GPL-3.0-or-later
"""How a VM that is moved comes to its disks at the destination."""

from __future__ import annotations

import posixpath
from typing import Dict, Iterator, List

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    FieldError,
    InvalidSpec,
    NameTaken,
    NotEnoughSpace,
    PoolNotFound,
    Unsupported,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.create import FILE_POOLS
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration_facts import (
    MigrationSurroundings,
    MovedFile,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration_steps import CarryVolume, MakeTarget
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration_wish import MigrationWish
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Step
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import PoolFacts
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import disk_gib

_FORMATS = ("qcow2", "raw")
# pools that are a host's own unless somebody has put a shared device below them
_OF_ONE_HOST = ("logical", "disk", "zfs")


def copied_files(around: MigrationSurroundings, wish: MigrationWish) -> List[MovedFile]:
    """Those files that are copied. Raises for what the destination would not have, in ``storage``'s name."""
    _require_pools_named_alike(around)
    if not wish.copies:
        for one in around.files:
            _require_shared(around, wish, one)
        return []
    if around.disks_differ:
        raise WrongState("VM runs with other disks than it starts with next: restart it before its disks are copied")
    copied = []
    for one in around.files:
        if _is_copied(one):
            _require_copyable(around, wish, one)
            copied.append(one)
        elif not one.alike:
            raise _refused(
                around,
                f"{one.target} has {one.path}, which the VM does not write to and which is not copied: eject it, or put"
                " it there",
            )
    _require_space(around, wish, copied)
    return copied


def storage_steps(
    around: MigrationSurroundings, wish: MigrationWish, copied: List[MovedFile], live: bool
) -> Iterator[Step]:
    """What is made at the destination before the VM moves: all of each file, or what libvirt copies a disk into."""
    uuid = "" if around.here is None else around.here.observed.uuid
    for one in copied:
        pool = _pool_there(around, one)
        if one.here is None:
            continue
        if live and one.written:
            backing = one.backing[0].path if wish.storage == "incremental" and one.backing else None
            target = MakeTarget(uuid, pool.name, one.name, one.here.capacity, one.here.format or "raw", backing)
            yield Step(f"Make room for disk {one.target} on {around.destination.name}", target)
        else:
            flatten = bool(one.backing) and wish.storage == "copied"
            what = f"disk {one.target}" if one.written else f"what is in {one.target}"
            operation = CarryVolume(uuid, one.path, pool.name, one.name, flatten)
            yield Step(f"Copy {what} to {around.destination.name}", operation)


def _is_copied(one: MovedFile) -> bool:
    return one.written or (one.own_seed and (one.marked or not one.alike))


def _require_shared(around: MigrationSurroundings, wish: MigrationWish, one: MovedFile) -> None:
    """Raise unless the destination has the same file, as far as can be told."""
    for file in (one, *one.backing):
        if file.here is None:
            if wish.unsafe:
                continue
            raise _refused(
                around,
                f"{file.path} of {one.target} is in no storage pool, so nobody can tell whether it is there, too: with"
                " unsafe you say that it is",
            )
        if file.there is None:
            raise _refused(around, f"{file.path} of {one.target} is not there, in any storage pool")
        if not file.alike or file.same is False:
            raise _refused(around, f"{file.path} of {one.target} is another file there")
        if one.written and not wish.unsafe and file.here.pool.type in _OF_ONE_HOST:
            raise _refused(
                around,
                f"{one.target} is in a storage pool of type {file.here.pool.type}, and nobody can tell whether that is"
                " shared: with unsafe you say that it is",
            )


def _require_copyable(around: MigrationSurroundings, wish: MigrationWish, one: MovedFile) -> None:
    if one.here is None or one.here.pool.type not in FILE_POOLS:
        raise _refused(around, f"{one.target} has {one.path}, which is in no storage pool of files")
    if one.shareable:
        raise _refused(around, f"{one.target} is shared with other VMs, which would go on writing to {one.path}")
    if one.written and one.here.format not in _FORMATS:
        raise _refused(around, f"{one.target} is {one.here.format or 'of no known format'}; only qcow2 and raw go")
    _pool_there(around, one)
    if one.there is not None and not one.marked:
        raise NameTaken(
            f"{around.destination.name} has a {one.path} already, where {one.target} would be copied to", "storage"
        )
    if wish.storage == "incremental":
        for below in one.backing:
            if not below.alike:
                says = "is another file there" if below.there is not None else "is not there, in any storage pool"
                raise _refused(around, f"{below.path}, which {one.target} is built on, {says}")


def _pool_there(around: MigrationSurroundings, one: MovedFile) -> PoolFacts:
    if one.pool_there is None:
        folder = posixpath.dirname(one.path)
        raise PoolNotFound(
            f"{around.destination.name} has no active storage pool of files at {folder}, where {one.target} is",
            "storage",
        )
    return one.pool_there


def _require_space(around: MigrationSurroundings, wish: MigrationWish, copied: List[MovedFile]) -> None:
    needed: Dict[str, int] = {}
    free: Dict[str, int] = {}
    for one in copied:
        pool = _pool_there(around, one)
        flattened = one.backing if wish.storage == "copied" else ()
        size = sum(file.here.allocation for file in (one, *flattened) if file.here is not None)
        needed[pool.name] = needed.get(pool.name, 0) + size
        free[pool.name] = pool.available
    for name, size in needed.items():
        if size > free[name]:
            raise NotEnoughSpace(
                f"Storage pool '{name}' of {around.destination.name} has {disk_gib(free[name]):g} GiB free, less than"
                f" the {disk_gib(size):g} GiB of the disks",
                "storage",
            )


def _require_pools_named_alike(around: MigrationSurroundings) -> None:
    """A disk that names a pool means what that pool is there."""
    other = around.other
    for name in around.needs.pools:
        if other.pools.get(name) is None:
            raise PoolNotFound(
                f"{around.destination.name} has no active storage pool '{name}', which the VM names", "storage"
            )
        if other.pools[name] != other.pools_here.get(name):
            raise InvalidSpec(
                [FieldError("storage", f"storage pool '{name}' is at another path on {around.destination.name}")]
            )


def _refused(around: MigrationSurroundings, reason: str) -> Unsupported:
    return Unsupported(f"The VM's disks can't be had on {around.destination.name}: {reason}", "storage")
