# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM as it is: what libvirt says of it, in our terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, NamedTuple, Optional, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import DomainDefinition
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import disk_gib


class GuestAddress(NamedTuple):
    """An address at which the guest can be reached, and who says so: agent, lease, arp or declared."""

    address: str
    source: str


@dataclass(frozen=True)
class ObservedDisk:
    """A disk of a VM. ``size`` is its virtual size in bytes, None where the host can't tell."""

    target: str
    device: str
    path: Optional[str]
    format: Optional[str]
    size: Optional[int]

    def as_data(self) -> Dict[str, Any]:
        """Plain data, named as here."""
        return dict(vars(self))


@dataclass(frozen=True)
class ObservedMachine:
    """A VM as it is. Sizes are those of the next start; ``vnc_port`` and ``address`` those of now."""

    uuid: str
    name: str
    status: str
    is_active: bool
    is_persistent: bool
    autostart: bool
    definition: DomainDefinition
    disks: Tuple[ObservedDisk, ...]
    vnc_port: Optional[int]
    address: Optional[GuestAddress]
    running: Optional[DomainDefinition] = None  # as it runs, None for one that is off

    @property
    def is_off(self) -> bool:
        """Whether no QEMU runs for it and no saved memory waits for it."""
        return self.status in ("stopped", "crashed")

    @property
    def record(self) -> Optional[Record]:
        """What it says of itself; None for a VM that others made."""
        return self.definition.record

    @property
    def protected(self) -> bool:
        """Whether it is guarded against deletion."""
        return self.record is not None and self.record.protected

    @property
    def cpu_cores(self) -> int:
        """Virtual CPUs."""
        return self.definition.vcpus

    @property
    def memory_kib(self) -> int:
        """Memory in KiB."""
        return self.definition.memory_kib

    @property
    def root_disk(self) -> Optional[ObservedDisk]:
        """The first disk that is one: no CD-ROM, no floppy."""
        return next((disk for disk in self.disks if disk.device == "disk"), None)

    @property
    def disk_gb(self) -> Optional[float]:
        """The root disk's size in GiB, where there is one and the host knows it."""
        root = self.root_disk
        return None if root is None or root.size is None else disk_gib(root.size)

    @property
    def mac_address(self) -> Optional[str]:
        """The first card's."""
        return next((card.mac_address for card in self.definition.interfaces), None)

    def as_data(self) -> Dict[str, Any]:
        """Plain data for a module's answer."""
        record = self.record
        return {
            "uuid": self.uuid,
            "name": self.name,
            "status": self.status,
            "cpu_cores": self.cpu_cores,
            "memory_mb": self.memory_kib // 1024,
            "disk_gb": self.disk_gb,
            "max_cpu_cores": self.definition.max_vcpus or self.cpu_cores,
            "max_memory_mb": (self.definition.max_memory_kib or self.memory_kib) // 1024,
            "firmware": self.definition.firmware,
            "secure_boot": self.definition.secure_boot,
            "tpm": self.definition.tpm,
            "machine": self.definition.machine,
            "graphics": [
                {"type": one.type, "listen": one.listen, "port": one.port}
                for one in (self.running or self.definition).graphics
            ],
            "virt_type": self.definition.type,
            "autostart": self.autostart,
            "protected": self.protected,
            "template": self.record is not None and self.record.template,
            "ip_address": None if self.address is None else self.address.address,
            "ip_source": None if self.address is None else self.address.source,
            "mac_address": self.mac_address,
            "vnc_port": self.vnc_port,
            "os_type": None if record is None else record.os_type,
            "os_version": None if record is None else record.os_version,
            "description": None if record is None else record.description,
            "tags": [] if record is None else list(record.tags),
            "metadata": {} if record is None else dict(record.metadata),
            "disks": [disk.as_data() for disk in self.disks],
            "nics": [card.as_data() for card in self.definition.interfaces],
            "managed": record is not None,
        }
