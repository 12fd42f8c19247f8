# SPDX-License-Identifier: GPL-3.0-or-later
"""One image, of which disks are made."""

from __future__ import annotations

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import ImageNotFound
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.volume import Volume
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import ImageFacts


def mark_of(name: str) -> str:
    """The name of the volume that says that the image ``name`` is not whole yet."""
    return f".{name}.unfinished"


def record_of(name: str) -> str:
    """The name of the volume that says where the image ``name`` came from (see `image_record`)."""
    return f".{name}.origin"


def find_image(hypervisor: Hypervisor, pool_name: str, name: str, field: str) -> Volume:
    """The image ``name``, also if somebody has put it there by hand.

    Raises `PoolNotFound`, and `ImageNotFound`, for ``field``, if it isn't there or isn't whole yet.
    """
    pool = hypervisor.pool(pool_name).require_active()
    volume = pool.find_volume(name)
    if volume is None:
        pool.refresh()
        volume = pool.find_volume(name)
    if volume is None:
        raise ImageNotFound(f"Image '{name}' not found in storage pool '{pool_name}'", field)
    if pool.find_volume(mark_of(name)) is not None:
        raise ImageNotFound(f"Image '{name}' is not in storage pool '{pool_name}' as a whole yet", field)
    return volume


def image_facts(hypervisor: Hypervisor, pool_name: str, name: str, field: str) -> ImageFacts:
    """What the image is, as a plan has to know it. Raises what `find_image` does."""
    facts = find_image(hypervisor, pool_name, name, field).facts()
    return ImageFacts(name, facts.path, facts.format or "raw", facts.capacity, facts.allocation)
