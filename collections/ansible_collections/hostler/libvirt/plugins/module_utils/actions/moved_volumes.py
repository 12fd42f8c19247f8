# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made at the destination for a VM that is on its way there.

libvirt can't rename a volume, so each is written under its own name, beside a mark: an empty volume whose name says
that this one is not whole, or its VM not there yet. By the mark a later run knows what one that was killed has left.
"""

from __future__ import annotations

from functools import partial
from typing import Callable

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.doers import Undo
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.migration_files import mark_of
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    HostUnreachable,
    NameTaken,
    NotEnoughSpace,
    OperationFailed,
    VolumeNotFound,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.pool import Pool
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.volume import Volume
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration_steps import CarryVolume, MakeTarget
from ansible_collections.hostler.libvirt.plugins.module_utils.storage import paths_in_use


def carry(destination: Hypervisor, source: Hypervisor, operation: CarryVolume) -> Undo:
    """Copy a file that nobody writes to, and see that all of it is there."""
    original = _original(source, operation.path)
    if not operation.flatten:
        return _carried(destination, operation, original)
    flat = _flat(source, original)
    try:
        return _carried(destination, operation, flat)
    finally:
        flat.delete()


def make_target(destination: Hypervisor, _source: Hypervisor, operation: MakeTarget) -> Undo:
    """Make the volume that libvirt copies a disk into."""

    def made(pool: Pool) -> Volume:
        below = None
        if operation.backing is not None:
            below = _original(destination, operation.backing).facts()
        return pool.create_volume(operation.name, operation.capacity, operation.format, backing=below)

    return _under_its_mark(destination, operation.uuid, operation.pool, operation.name, made)


def remove_mark(pool: Pool, name: str) -> None:
    """Say of the volume that it is whole, and its VM's."""
    pool.discard(mark_of(name))


def _carried(destination: Hypervisor, operation: CarryVolume, original: Volume) -> Undo:
    def made(pool: Pool) -> Volume:
        copy = pool.create_volume(operation.name, 0, "raw")
        copy.fill(original.content())
        pool.refresh()  # only now libvirt learns what it is
        wanted, found = original.facts(), copy.facts()
        if (found.format, found.capacity, found.length) != (wanted.format, wanted.capacity, wanted.length):
            raise OperationFailed(
                f"Failed to copy {operation.path}: {found.length} bytes of {wanted.length} arrived, as {found.format}"
            )
        return copy

    return _under_its_mark(destination, operation.uuid, operation.pool, operation.name, made)


def _under_its_mark(
    destination: Hypervisor, uuid: str, pool_name: str, name: str, make: Callable[[Pool], Volume]
) -> Undo:
    pool = destination.pool(pool_name).require_active()
    _sweep(destination, pool, name)
    if pool.find_volume(name) is not None:
        raise NameTaken(f"Storage pool '{pool_name}' has a volume '{name}' by now", "storage")
    pool.create_volume(mark_of(name), 0, "raw")
    try:
        make(pool)
    except BaseException as error:
        _discard(pool, name)
        if isinstance(error, NotEnoughSpace):
            raise NotEnoughSpace(f"{error.message}, at the destination", "storage") from error
        raise
    return partial(_take_back, destination.uri, uuid, pool_name, name)


def _sweep(destination: Hypervisor, pool: Pool, name: str) -> None:
    """Take away what a migration that was cut off has left."""
    if pool.find_volume(mark_of(name)) is None:
        return
    volume = pool.find_volume(name)
    if volume is not None and volume.path in paths_in_use(destination, except_uuid=""):
        raise NameTaken(f"{volume.path} is used at the destination by now", "storage")
    _discard(pool, name)


def _discard(pool: Pool, name: str) -> None:
    """The volume first: a mark without one says nothing wrong."""
    pool.discard(name)
    pool.discard(mark_of(name))


def _take_back(uri: str, uuid: str, pool_name: str, name: str) -> None:
    """Take the volume away, unless the VM is there by now. By another connection: the first may be what failed."""
    try:
        destination = Hypervisor.open(uri)
    except HostUnreachable as error:
        stays = f"volume '{name}' in storage pool '{pool_name}' stays at the destination until the VM is migrated there"
        raise OperationFailed(f"{stays}: {error.message}") from error
    with destination:
        domain = destination.find_domain(uuid)
        if domain is None:
            _discard(destination.pool(pool_name), name)
        elif not domain.is_persistent():  # else it has moved, and what failed came after that
            raise OperationFailed(
                f"volume '{name}' in storage pool '{pool_name}' stays at the destination, which uses it"
            )


def _flat(source: Hypervisor, original: Volume) -> Volume:
    """A copy of the volume, beside it, that needs no backing file; one that an earlier run has left is made anew."""
    pool = source.pool_of(original)
    facts = original.facts()
    name = f".{original.name}.flat"
    pool.discard(name)
    try:
        flat = pool.copy_volume(name, facts.capacity, facts.format or "raw", original)
    except HostlerError:
        pool.discard(name)
        raise
    pool.refresh()
    return flat


def _original(hypervisor: Hypervisor, path: str) -> Volume:
    volume = hypervisor.find_volume_at(path)
    if volume is None:
        raise VolumeNotFound(f"{path} is in no storage pool by now", "storage")
    return volume
