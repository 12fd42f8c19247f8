# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations on a VM's disks."""

from __future__ import annotations

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    ImageNotFound,
    OperationFailed,
    VolumeNotFound,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.pool import Pool, Volume
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.change import MUST_BE_STOPPED
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import (
    CreateVolume,
    DeleteVolume,
    GrowDisk,
    WriteSeed,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.seed import seed_image
from ansible_collections.hostler.libvirt.plugins.module_utils.storage import paths_in_use


def create_volume(hypervisor: Hypervisor, operation: CreateVolume) -> None:
    """Make the disk. One of its name is the rest of a create that was cut off, maybe half copied: it is made anew."""
    pool = hypervisor.pool(operation.pool).require_active()
    _remove_leftover(pool, operation.name)
    if operation.image is None:
        pool.create_volume(operation.name, operation.capacity, operation.format)
        return
    image_pool = hypervisor.pool(operation.image_pool or operation.pool).require_active()
    image = image_pool.find_volume(operation.image)
    if image is None:
        raise ImageNotFound(f"Image '{operation.image}' not found in storage pool '{image_pool.name}'", "image")
    if operation.image_mode == "backing":
        pool.create_volume(operation.name, operation.capacity, operation.format, backing=image.facts())
    else:
        _grown(pool.copy_volume(operation.name, operation.capacity, operation.format, image), operation.capacity)


def write_seed(hypervisor: Hypervisor, operation: WriteSeed) -> None:
    """Make the seed and its volume."""
    pool = hypervisor.pool(operation.pool).require_active()
    _remove_leftover(pool, operation.name)
    image = seed_image(operation.content)
    pool.create_volume(operation.name, len(image), "raw").upload(image)


def grow(hypervisor: Hypervisor, operation: GrowDisk) -> None:
    """Make the disk larger, and see that it is."""
    if hypervisor.domain(operation.uuid).is_active():
        raise WrongState(MUST_BE_STOPPED)
    volume = hypervisor.find_volume_at(operation.path)
    if volume is None:
        raise VolumeNotFound(f"Failed to resize the disk: {operation.path} is in no storage pool", "disk_gb")
    _grown(volume, operation.capacity)


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


def _remove_leftover(pool: Pool, name: str) -> None:
    leftover = pool.find_volume(name)
    if leftover is not None:
        leftover.delete()


def _grown(volume: Volume, capacity: int) -> None:
    if volume.facts().capacity < capacity:
        volume.grow(capacity)
    if volume.facts().capacity != capacity:
        raise OperationFailed(f"Failed to resize the disk: '{volume.name}' did not take its new size")
