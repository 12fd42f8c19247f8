# SPDX-License-Identifier: GPL-3.0-or-later
"""What the volumes of a new VM are called, and which disk of the spec each is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List

from ansible_collections.hostler.libvirt.plugins.module_utils.spec import DiskConfig, MachineSpec, disk_bytes

DISK_FORMAT = "qcow2"


@dataclass(frozen=True)
class NewDisk:
    """A disk to be made: the name of its volume, what it is to be, and which fields of the spec say so."""

    volume: str
    config: DiskConfig
    size_field: str
    image_field: str

    @property
    def size(self) -> int:
        """In bytes."""
        return disk_bytes(self.config.size_gb)


def new_disks(spec: MachineSpec, uuid: str) -> List[NewDisk]:
    """The disks of the VM that is to have that UUID, the root disk first."""
    root = DiskConfig(spec.disk_gb, spec.image, spec.image_mode)
    disks = [NewDisk(volume_name(spec.name, uuid, f"root.{DISK_FORMAT}"), root, "disk_gb", "image")]
    for index, config in enumerate(spec.disks):
        volume = volume_name(spec.name, uuid, f"disk{index + 1}.{DISK_FORMAT}")
        disks.append(NewDisk(volume, config, f"disks.{index}.size_gb", f"disks.{index}.image"))
    return disks


def volume_name(name: str, uuid: str, what: str) -> str:
    """The name of a VM's own volume. No other VM's is the same but one of its name and nearly its UUID."""
    return f"{name}-{uuid[:8]}-{what}"
