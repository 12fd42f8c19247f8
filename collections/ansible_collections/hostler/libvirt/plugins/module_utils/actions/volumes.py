# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations on the disks of a VM that is there."""

from __future__ import annotations

from functools import partial
from typing import Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.disks import grown, make
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.doers import Undo
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.hotplug import answered
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    HostUnreachable,
    NameTaken,
    NotEnoughSpace,
    OperationFailed,
    VolumeNotFound,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.volume import Volume
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.sizes import MUST_BE_STOPPED
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volume_steps import (
    AddVolume,
    DeleteVolume,
    GrowDisk,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import disk_gib
from ansible_collections.hostler.libvirt.plugins.module_utils.storage import paths_in_use


def add_volume(hypervisor: Hypervisor, operation: AddVolume) -> Undo:
    """Make a disk whose name nobody has: what is there under it, whoever left it, is never overwritten."""
    wanted = operation.volume
    pool = hypervisor.pool(wanted.pool).require_active()
    if pool.find_volume(wanted.name) is not None:
        raise NameTaken(f"A volume '{wanted.name}' is in storage pool '{wanted.pool}' by now")
    try:
        path = make(hypervisor, pool, wanted).path
    except (HostUnreachable, NameTaken):
        raise
    except HostlerError:
        pool.discard(wanted.name)
        raise
    return partial(delete_volume, hypervisor, DeleteVolume(path))  # which spares one that the VM could not let go of


def grow(hypervisor: Hypervisor, operation: GrowDisk) -> None:
    """Make the disk larger, and see that it is."""
    domain = hypervisor.domain(operation.uuid)
    if operation.live and domain.is_active():
        _grow_live(hypervisor, operation)
        return
    if domain.is_active():
        raise WrongState(MUST_BE_STOPPED)
    grown(_volume_of(hypervisor, operation), operation.capacity)


def require_growable(hypervisor: Hypervisor, operation: GrowDisk) -> None:
    """Raise `VolumeNotFound` or `NotEnoughSpace` if the disk can't become so large, as far as one can tell before.

    A disk takes space as it is written to, so it may promise more than there is; what can never be is refused.
    """
    if operation.live and hypervisor.find_volume_at(operation.path) is None:
        return  # QEMU has it open, and needs no pool
    pool = hypervisor.pool_of(_volume_of(hypervisor, operation))
    capacity = pool.space().capacity
    if operation.capacity > capacity > 0:  # 0: such a pool does not know
        raise NotEnoughSpace(
            f"Storage pool '{pool.name}' holds {disk_gib(capacity):g} GiB in all, less than the"
            f" {disk_gib(operation.capacity):g} GiB of the disk",
            operation.field,
        )


def _volume_of(hypervisor: Hypervisor, operation: GrowDisk) -> Volume:
    volume = hypervisor.find_volume_at(operation.path)
    if volume is None:
        raise VolumeNotFound(f"Failed to resize the disk: {operation.path} is in no storage pool", operation.field)
    return volume


def delete_volume(hypervisor: Hypervisor, operation: DeleteVolume) -> None:
    """Delete the disk unless somebody else uses it by now; one that is gone already is no error.

    By this step the VM itself is undefined, so whoever names the disk is another.
    """
    volume = hypervisor.find_volume_at(operation.path)
    if volume is None:
        return
    if operation.path in paths_in_use(hypervisor, except_uuid=""):
        raise OperationFailed(f"Failed to delete disk {operation.path}: another VM uses it by now")
    volume.delete()


def _grow_live(hypervisor: Hypervisor, operation: GrowDisk) -> None:
    def grown(domain: Domain) -> Optional[int]:
        if (domain.disk_size(operation.path) or 0) < operation.capacity:
            domain.resize_disk(operation.path, operation.capacity)
        return domain.disk_size(operation.path)

    if answered(hypervisor, operation.uuid, grown) != operation.capacity:
        raise OperationFailed("Failed to resize the disk: it did not take its new size")
