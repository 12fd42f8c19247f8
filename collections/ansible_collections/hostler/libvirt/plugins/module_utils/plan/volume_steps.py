# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations on the volumes of a VM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.plan.operation import Operation
from ansible_collections.hostler.libvirt.plugins.module_utils.seed import SeedContent


@dataclass(frozen=True)
class CreateVolume(Operation):
    """Make a disk of ``capacity`` bytes: blank, a copy of ``image``, or an overlay of it."""

    pool: str
    name: str
    capacity: int
    format: str
    image_pool: Optional[str] = None
    image: Optional[str] = None
    image_mode: str = "copy"
    image_field: str = "image"  # of the spec, which names the image


@dataclass(frozen=True)
class AddVolume(Operation):
    """Make the volume of a further disk of a VM that is there. Never in place of one that has its name."""

    volume: CreateVolume


@dataclass(frozen=True)
class WriteSeed(Operation):
    """Make the NoCloud seed and put it into a volume."""

    pool: str
    name: str
    content: SeedContent


@dataclass(frozen=True)
class GrowDisk(Operation):
    """Make the disk at ``path`` ``capacity`` bytes; with ``live`` under the running VM."""

    uuid: str
    path: str
    capacity: int
    live: bool = False
    field: str = "disk_gb"  # the option that asks for it


@dataclass(frozen=True)
class DeleteVolume(Operation):
    """Delete a disk that was the VM's own. Looked at once more before it is done."""

    path: str
