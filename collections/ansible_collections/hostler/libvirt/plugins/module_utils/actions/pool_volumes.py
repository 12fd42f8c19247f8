# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations on a volume that is no certain VM's."""

from __future__ import annotations

from typing import Iterable, Iterator, List, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.doers import Doers, Undo
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.patiently import patiently
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.volume_users import UsersOfVolumes
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    HostUnreachable,
    NameTaken,
    OperationFailed,
    VolumeNotFound,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.volume import Content, Volume
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.pool_volume_steps import (
    MakeVolume,
    RemoveVolume,
    ResizeVolume,
    WipeVolume,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.storage import look_for_overlays

_ZEROS = bytes(256 * 1024)


def make(hypervisor: Hypervisor, operation: MakeVolume) -> None:
    """Make it, whole or not at all; what has its name by now, whoever made it, is never touched."""
    doing = f"make volume '{operation.name}'"
    patiently(hypervisor, doing, operation.timeout, lambda host: _make(host, operation))


def _make(hypervisor: Hypervisor, operation: MakeVolume) -> None:
    pool = hypervisor.pool(operation.pool).require_active()
    if pool.find_volume(operation.name) is not None:
        raise NameTaken(f"A volume '{operation.name}' is in storage pool '{operation.pool}' by now", "name")
    name, capacity = operation.name, operation.capacity
    if operation.source is None:
        pool.create_volume(name, capacity, operation.format, preallocation=operation.preallocation)
        return
    source = hypervisor.pool(operation.source_pool).require_active().find_volume(operation.source)
    if source is None:
        message = f"Volume '{operation.source}' not found in storage pool '{operation.source_pool}'"
        raise VolumeNotFound(message, "source")
    if operation.source_mode == "backing":
        pool.create_volume(name, capacity, operation.format, backing=source.facts())
        return
    copy = pool.copy_volume(name, capacity, operation.format, source)
    try:
        if copy.facts().capacity < capacity:
            copy.grow(capacity)
    except HostUnreachable:
        raise
    except HostlerError:
        copy.delete()
        raise


def resize(hypervisor: Hypervisor, operation: ResizeVolume) -> None:
    """Give it its size, and see that it has it."""

    def work(host: Hypervisor) -> None:
        volume = _volume(host, operation.pool, operation.name)
        grows = operation.capacity > operation.before
        look_for_overlays(host)
        users = UsersOfVolumes(host).of(volume.path)
        user = users.first_running or (None if grows else users.first_overlay)
        if user is not None:
            raise WrongState(_in_use_by_now(operation.pool, operation.name, user), "size_gb")
        if grows:
            volume.grow(operation.capacity)
        else:
            volume.shrink(operation.capacity)
        has = volume.facts().capacity
        if has != operation.capacity:
            raise OperationFailed(f"Failed to resize volume '{operation.name}': it has {has} bytes")

    patiently(hypervisor, f"resize volume '{operation.name}'", operation.timeout, work)


def wipe(hypervisor: Hypervisor, operation: WipeVolume) -> Undo:
    """Write zeros over all that it holds.

    libvirt's own wipe only truncates a file that has holes, so that what it held stays on the disk.
    """

    def work(host: Hypervisor) -> None:
        _require_unused(host, operation.pool, operation.name)
        volume = _volume(host, operation.pool, operation.name)
        volume.fill(_zeros(_extents(volume)))

    patiently(hypervisor, f"wipe volume '{operation.name}'", operation.timeout, work)

    def stays() -> None:
        raise OperationFailed(f"volume '{operation.name}' is there still, and holds zeros")

    return stays


def _extents(volume: Volume) -> List[Tuple[bool, int]]:
    """Where it holds something and where it has holes, in order: whether, and how many bytes."""
    found: List[Tuple[bool, int]] = []
    for piece in volume.content():
        holds = not isinstance(piece, int)
        size = len(piece) if isinstance(piece, bytes) else piece
        if found and found[-1][0] == holds:
            size += found.pop()[1]
        found.append((holds, size))
    return found


def _zeros(extents: Iterable[Tuple[bool, int]]) -> Iterator[Content]:
    for holds, size in extents:
        if not holds:
            yield size
            continue
        while size:
            piece = _ZEROS[:size]
            size -= len(piece)
            yield piece


def remove(hypervisor: Hypervisor, operation: RemoveVolume) -> None:
    """Delete it; one that is gone by now is no error."""

    def work(host: Hypervisor) -> None:
        _require_unused(host, operation.pool, operation.name)
        host.pool(operation.pool).require_active().discard(operation.name)

    patiently(hypervisor, f"delete volume '{operation.name}'", operation.timeout, work)


def _require_unused(hypervisor: Hypervisor, pool: str, name: str) -> None:
    look_for_overlays(hypervisor)
    volume = hypervisor.pool(pool).require_active().find_volume(name)
    user = None if volume is None else UsersOfVolumes(hypervisor).of(volume.path).first
    if user is not None:
        raise WrongState(_in_use_by_now(pool, name, user), "name")


def _in_use_by_now(pool: str, name: str, user: str) -> str:
    return f"Volume '{name}' in storage pool '{pool}' is in use by {user} by now"


def _volume(hypervisor: Hypervisor, pool: str, name: str) -> Volume:
    volume = hypervisor.pool(pool).require_active().find_volume(name)
    if volume is None:
        raise VolumeNotFound(f"Volume '{name}' not found in storage pool '{pool}'", "name")
    return volume


DOERS: Doers = {MakeVolume: make, ResizeVolume: resize, WipeVolume: wipe, RemoveVolume: remove}
