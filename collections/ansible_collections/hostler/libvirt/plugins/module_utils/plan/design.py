# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy: what a new VM of ours looks like where the spec leaves it open."""

from __future__ import annotations

from typing import Optional, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import (
    Controller,
    Disk,
    DomainDefinition,
    Graphics,
    Interface,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import Surroundings
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import MachineSpec

# q35 plugs PCIe devices into ports that were there at boot; these stay free for disks and cards to come
_SPARE_PCIE_PORTS = 6

# a KVM guest gets what the host has, in a form that can migrate; TCG has no host CPU to offer, and its default lacks
# instructions that current distributions need (x86-64-v2)
_CPU_MODES = {"kvm": "host-model", "qemu": "maximum"}


def design(
    spec: MachineSpec,
    surroundings: Surroundings,
    uuid: str,
    record: Record,
    root_path: str,
    seed_path: Optional[str],
) -> DomainDefinition:
    """The domain for ``spec`` on that host, with its root disk and its seed at those paths of the host."""
    return DomainDefinition(
        name=spec.name,
        uuid=uuid,
        type=surroundings.virt_type,
        vcpus=spec.cpu_cores,
        memory_kib=spec.memory_mb * 1024,
        machine="q35",
        firmware=spec.firmware,
        cpu_mode=_CPU_MODES.get(surroundings.virt_type),
        clock="localtime" if spec.os_type == "windows" else "utc",
        disks=_disks(root_path, seed_path),
        interfaces=_interfaces(spec, surroundings),
        graphics=(Graphics("vnc", listen="127.0.0.1"),),
        controllers=_controllers(),
        video="vga",
        tablet=True,  # VNC pointers are absolute; a mouse would run away from the cursor
        guest_agent=True,
        serial_console=True,
        rng=True,
        record=record,
    )


def _disks(root_path: str, seed_path: Optional[str]) -> Tuple[Disk, ...]:
    root = Disk("disk", "vda", bus="virtio", path=root_path, format="qcow2", discard="unmap")
    if seed_path is None:
        return (root,)
    # on SCSI: kernels for clouds have no AHCI, and would never see a SATA drive
    return (root, Disk("cdrom", "sda", bus="scsi", path=seed_path, format="raw", read_only=True))


def _controllers() -> Tuple[Controller, ...]:
    ports = tuple(Controller("pci", "pcie-root-port") for dummy in range(_SPARE_PCIE_PORTS + 7))
    return (
        Controller("pci", "pcie-root"),
        *ports,
        Controller("usb", "qemu-xhci"),
        Controller("scsi", "virtio-scsi"),
        Controller("virtio-serial"),
    )


def _interfaces(spec: MachineSpec, surroundings: Surroundings) -> Tuple[Interface, ...]:
    config = spec.network_config
    if config.type == "none":
        return ()
    if config.type == "bridge":
        return (Interface("bridge", config.bridge_name, model="virtio"),)
    if config.type == "network":
        return (Interface("network", config.network_name, model="virtio"),)
    if surroundings.nat_network is None:
        return (Interface("user", model="virtio"),)
    return (Interface("network", surroundings.nat_network, model="virtio"),)
