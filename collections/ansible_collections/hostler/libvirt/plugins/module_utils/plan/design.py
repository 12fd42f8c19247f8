# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy: what a new VM of ours looks like where the spec leaves it open."""

from __future__ import annotations

from typing import Iterator, List, Optional, Sequence, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import (
    Controller,
    Disk,
    DomainDefinition,
    Graphics,
    Interface,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.graphics import GraphicsConfig
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import Surroundings
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volumes import DISK_FORMAT
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import MachineSpec, NetworkConfig, cards_of

MACHINE = "q35"
VNC_LISTEN = "127.0.0.1"  # of the host: VNC has no encryption, and a password of eight characters
MOST_VCPUS = 255  # of a q35 without an IOMMU, which alone can deliver interrupts to more

# q35 plugs PCIe devices into ports that were there at boot; these stay free for disks and cards to come
_SPARE_PCIE_PORTS = 6
# those of every guest: SCSI and serial controller, USB, balloon, rng
_FIXED_PCIE_DEVICES = 5
_DISKS_PER_SCSI_CONTROLLER = 7  # as libvirt counts the names sda, sdb …
_MEMORY_SLOTS = 16

# a KVM guest gets what the host has, in a form that can migrate; TCG has no host CPU to offer, and its default lacks
# instructions that current distributions need (x86-64-v2)
_CPU_MODES = {"kvm": "host-model", "qemu": "maximum"}


def design(
    spec: MachineSpec,
    surroundings: Surroundings,
    uuid: str,
    record: Record,
    disk_paths: Sequence[str],
    seed_path: Optional[str],
) -> DomainDefinition:
    """The domain for ``spec`` on that host; its disks, the root disk first, and its seed are at those paths there."""
    disks = tuple(_disks(spec, disk_paths, seed_path))
    cards = tuple(_interface(card, surroundings) for dummy, card in cards_of(spec) if card.type != "none")
    grows = spec.max_memory_mb is not None and spec.max_memory_mb > spec.memory_mb
    return DomainDefinition(
        name=spec.name,
        uuid=uuid,
        type=surroundings.virt_type,
        vcpus=spec.cpu_cores,
        max_vcpus=spec.max_cpu_cores if (spec.max_cpu_cores or 0) > spec.cpu_cores else None,
        memory_kib=spec.memory_mb * 1024,
        max_memory_kib=(spec.max_memory_mb or 0) * 1024 if grows else None,
        memory_slots=_MEMORY_SLOTS if grows else 0,
        machine=machine_of(spec),
        firmware=spec.firmware,
        secure_boot=spec.secure_boot,
        tpm=spec.tpm,
        cpu_mode=_CPU_MODES.get(surroundings.virt_type),
        clock="localtime" if spec.os_type == "windows" else "utc",
        disks=disks,
        interfaces=cards,
        graphics=tuple(_graphics(spec.graphics)),
        controllers=tuple(_controllers(disks, cards, len(spec.devices), is_q35(machine_of(spec)))),
        devices=spec.devices,
        video="vga",
        tablet=True,  # VNC pointers are absolute; a mouse would run away from the cursor
        guest_agent=True,
        serial_console=True,
        rng=True,
        record=record,
    )


def _disks(spec: MachineSpec, paths: Sequence[str], seed_path: Optional[str]) -> Iterator[Disk]:
    buses = ["virtio", *(disk.bus for disk in spec.disks)]
    targets = _targets(buses)
    for bus, target, path in zip(buses, targets, paths):
        yield Disk("disk", target, bus=bus, path=path, format=DISK_FORMAT, discard="unmap")
    if seed_path is not None:
        # on SCSI: kernels for clouds have no AHCI, and would never see a SATA drive
        yield Disk("cdrom", targets[-1], bus="scsi", path=seed_path, format="raw", read_only=True)


def _targets(buses: Sequence[str]) -> List[str]:
    """A target for a disk on each of ``buses``, and one more on SCSI.

    libvirt puts a SATA or SCSI disk on the controller and unit that its name counts to. The first names go to SATA,
    whose controller that every q35 has takes six.
    """
    virtio = iter("abcdefghijklmnopqrstuvwxyz")
    others = iter("abcdefghijklmnopqrstuvwxyz")
    sata = {index: f"sd{next(others)}" for index, bus in enumerate(buses) if bus == "sata"}
    rest = {
        index: f"vd{next(virtio)}" if bus == "virtio" else f"sd{next(others)}"
        for index, bus in enumerate([*buses, "scsi"])
        if bus != "sata"
    }
    return [target for dummy, target in sorted({**sata, **rest}.items())]


def machine_of(spec: MachineSpec) -> str:
    """The machine type that the new VM is to have."""
    return spec.machine or MACHINE


def is_q35(machine: str) -> bool:
    """Whether it is one with PCI Express; the other one, i440fx, is called ``pc`` or ``pc-i440fx-…``."""
    return "q35" in machine


def _graphics(config: Optional[GraphicsConfig]) -> Iterator[Graphics]:
    config = config or GraphicsConfig()
    if config.type != "none":
        yield Graphics(
            config.type,
            port=config.port or None,
            listen=config.listen or VNC_LISTEN,
            websocket=bool(config.websocket),
            keymap=config.keymap or None,
            password=config.password or None,
        )


def _controllers(disks: Sequence[Disk], cards: Sequence[Interface], devices: int, pcie: bool) -> Iterator[Controller]:
    last = max((ord(disk.target[-1]) - ord("a") for disk in disks if disk.bus == "scsi"), default=0)
    scsi = last // _DISKS_PER_SCSI_CONTROLLER + 1  # each is named: libvirt would add ones of another model
    on_pcie = sum(disk.bus == "virtio" for disk in disks) + len(cards) + devices + scsi - 1
    if pcie:
        yield Controller("pci", "pcie-root")
        yield from [Controller("pci", "pcie-root-port")] * (_SPARE_PCIE_PORTS + _FIXED_PCIE_DEVICES + on_pcie)
    yield Controller("usb", "qemu-xhci")
    yield from [Controller("scsi", "virtio-scsi")] * scsi
    yield Controller("virtio-serial")


def _interface(config: NetworkConfig, surroundings: Surroundings) -> Interface:
    kind, source = connection(config, surroundings.nat_network)
    address = None if config.mac_address is None else config.mac_address.lower()
    return Interface(kind, source, mac_address=address, model=config.model)


def connection(config: NetworkConfig, nat_network: Optional[str]) -> Tuple[str, Optional[str]]:
    """The type and the source of the ``<interface>`` for a card that is one, on a host with that NAT network."""
    if config.type == "bridge":
        return "bridge", config.bridge_name
    if config.type == "network":
        return "network", config.network_name
    if nat_network is None:
        return "user", None
    return "network", nat_network
