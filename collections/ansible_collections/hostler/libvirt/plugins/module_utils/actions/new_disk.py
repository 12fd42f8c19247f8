# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new disk of a VM that is there is made of."""

from __future__ import annotations

import dataclasses
import posixpath
from typing import Sequence, Set

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.image import image_facts
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.pool_facts import pool_facts
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import read_domain
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec, Unsupported
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.pool import Pool
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.chassis import Chassis
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.create import (
    FILE_POOLS,
    check_space,
    size_errors,
    volume_step,
    volume_title,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.disk import Source
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import (
    Surroundings,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volumes import DISK_FORMAT, NewDisk, volume_name
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_disk import WantedDisk
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import DiskConfig


def new_source(
    hypervisor: Hypervisor,
    wanted: WantedDisk,
    size_gb: float,
    chassis: Chassis,
    others: Sequence[Source] = (),
    path: str = "",
) -> Source:
    """What a new disk of that VM is made of, in the pool and of the image that ``wanted`` names.

    ``others`` are to be made, too, and ``path`` is that of the disk in what was asked for (``disks.0.``). Raises
    `Unsupported`, `InvalidSpec`, `NotEnoughSpace`, `PoolNotFound`, `ImageNotFound`.
    """
    pool = hypervisor.pool(wanted.pool).require_active()
    facts = pool_facts(pool)
    if facts.type not in FILE_POOLS:
        raise Unsupported(f"Storage pool '{pool.name}' has no files: name a volume that is in it already", "pool")
    form = wanted.format or ("raw" if wanted.shareable and not wanted.read_only else DISK_FORMAT)
    name = wanted.volume or _free_name(pool, form, chassis, others)
    disk = NewDisk(name, DiskConfig(size_gb, wanted.image, wanted.image_mode), f"{path}size_gb", f"{path}image")
    surroundings = Surroundings(
        virt_type=read_domain(chassis.xmls[0]).type,
        pool=facts,
        image_pool=wanted.image_pool,
        images={}
        if wanted.image is None
        else {wanted.image: image_facts(hypervisor, wanted.image_pool, wanted.image, disk.image_field)},
    )
    too_small = list(size_errors(disk, surroundings))
    if too_small:
        raise InvalidSpec(too_small)
    check_space([disk], surroundings)
    new = dataclasses.replace(volume_step(disk, surroundings), format=form)
    return Source(posixpath.join(facts.path, name), form, False, disk.size, new, volume_title(disk, surroundings))


def _free_name(pool: Pool, form: str, chassis: Chassis, others: Sequence[Source]) -> str:
    """The name of a volume that neither the pool nor the VM has; a disk that was detached keeps its own."""
    taken: Set[str] = {*pool.volume_names(), *(posixpath.basename(other.path) for other in others)}
    for drive in (*chassis.defined_drives, *chassis.running_drives):
        taken.update(posixpath.basename(path) for path in (drive.path, *drive.backing_paths) if path is not None)
    names = (volume_name(chassis.name, chassis.uuid, f"disk{number}.{form}") for number in range(1, len(taken) + 2))
    return next(name for name in names if name not in taken)
