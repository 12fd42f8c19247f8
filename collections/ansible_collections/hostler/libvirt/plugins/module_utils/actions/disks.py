# SPDX-License-Identifier: GPL-3.0-or-later
"""Making the disks of a new VM."""

from __future__ import annotations

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.image import find_image
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    OperationFailed,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.pool import Pool
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.volume import Volume
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volume_steps import (
    CreateVolume,
    WriteSeed,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.seed import seed_image


def create_volume(hypervisor: Hypervisor, operation: CreateVolume) -> None:
    """Make the disk. One of its name is the rest of a create that was cut off, maybe half copied: it is made anew."""
    pool = hypervisor.pool(operation.pool).require_active()
    pool.discard(operation.name)
    make(hypervisor, pool, operation)


def make(hypervisor: Hypervisor, pool: Pool, operation: CreateVolume) -> Volume:
    """Make it in that pool, in which nobody has its name."""
    if operation.image is None:
        return pool.create_volume(operation.name, operation.capacity, operation.format)
    image_pool = operation.image_pool or operation.pool
    image = find_image(hypervisor, image_pool, operation.image, operation.image_field)
    if operation.image_mode == "backing":
        return pool.create_volume(operation.name, operation.capacity, operation.format, backing=image.facts())
    copy = pool.copy_volume(operation.name, operation.capacity, operation.format, image)
    grown(copy, operation.capacity)
    return copy


def write_seed(hypervisor: Hypervisor, operation: WriteSeed) -> None:
    """Make the seed and its volume."""
    pool = hypervisor.pool(operation.pool).require_active()
    pool.discard(operation.name)
    image = seed_image(operation.content)
    pool.create_volume(operation.name, len(image), "raw").upload(image)


def grown(volume: Volume, capacity: int) -> None:
    """Make the volume ``capacity`` bytes, and see that it is."""
    if volume.facts().capacity < capacity:
        volume.grow(capacity)
    if volume.facts().capacity != capacity:
        raise OperationFailed(f"Failed to resize the disk: '{volume.name}' did not take its new size")
