# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new VM of ours looks like."""

import dataclasses
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import (
    Disk,
    DomainDefinition,
    Graphics,
    Interface,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.design import design
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import DiskConfig, NetworkConfig
from tests.core.machines import RECORD, SPEC, SURROUNDINGS, UUID


def designed(
    virt_type: str = "qemu", nat_network: str | None = "default", seed: str | None = None, **spec: Any
) -> DomainDefinition:
    surroundings = dataclasses.replace(SURROUNDINGS, virt_type=virt_type, nat_network=nat_network)
    wanted = dataclasses.replace(SPEC, **spec)
    paths = ["/disks/root", *(f"/disks/{number}" for number in range(1, len(wanted.disks) + 1))]
    return design(wanted, surroundings, UUID, RECORD, paths, seed)


def controllers(vm: DomainDefinition, model: str) -> int:
    return sum(controller.model == model for controller in vm.controllers)


def test_sizes_and_names_are_those_of_the_spec() -> None:
    vm = designed(firmware="uefi")

    assert (vm.name, vm.uuid, vm.vcpus, vm.memory_kib, vm.firmware) == ("web-1", UUID, 2, 1024 * 1024, "uefi")


def test_devices_are_those_that_every_guest_can_use() -> None:
    vm = designed()

    assert vm.machine == "q35"
    assert vm.disks == (Disk("disk", "vda", "virtio", "/disks/root", "qcow2", discard="unmap"),)
    assert vm.graphics == (Graphics("vnc", None, "127.0.0.1"),)
    assert (vm.guest_agent, vm.serial_console, vm.rng, vm.tablet, vm.memory_balloon) == (True,) * 5


@pytest.mark.parametrize(("virt_type", "mode"), [("kvm", "host-model"), ("qemu", "maximum"), ("test", None)])
def test_the_cpu_fits_the_accelerator(virt_type: str, mode: str | None) -> None:
    vm = designed(virt_type)

    assert (vm.type, vm.cpu_mode) == (virt_type, mode)


def test_windows_keeps_its_clock_in_local_time() -> None:
    assert designed(os_type="windows").clock == "localtime"
    assert designed(os_type="linux").clock == "utc"


@pytest.mark.parametrize(
    ("config", "nat_network", "cards"),
    [
        (NetworkConfig(), "default", (Interface("network", "default", model="virtio"),)),
        (NetworkConfig(), None, (Interface("user", model="virtio"),)),
        (NetworkConfig("bridge", "br0"), "default", (Interface("bridge", "br0", model="virtio"),)),
        (NetworkConfig("network", None, "blue"), "default", (Interface("network", "blue", model="virtio"),)),
        (NetworkConfig("none"), "default", ()),
        (
            NetworkConfig(model="rtl8139", mac_address="52:54:00:AB:cd:EF"),
            "default",
            (Interface("network", "default", "52:54:00:ab:cd:ef", "rtl8139"),),
        ),
    ],
)
def test_the_card_is_connected_as_asked(
    config: NetworkConfig, nat_network: str | None, cards: tuple[Interface, ...]
) -> None:
    assert designed(nat_network=nat_network, network_config=config).interfaces == cards


def test_there_are_ports_for_what_is_plugged_later() -> None:
    """Each virtio device takes one, and those that are there at boot are all there will ever be."""
    vm = designed()

    # disk, card, scsi, serial, usb, balloon, rng
    assert controllers(vm, "pcie-root-port") == 7 + 6
    more = designed(disks=(DiskConfig(1), DiskConfig(1), DiskConfig(1, bus="scsi")), nics=(NetworkConfig(),))
    assert controllers(more, "pcie-root-port") == 7 + 6 + 2 + 1


def test_further_disks_have_the_names_of_their_bus() -> None:
    buses = ["virtio", "scsi", "sata", "virtio", "scsi", "sata"]

    vm = designed(disks=tuple(DiskConfig(1, bus=bus) for bus in buses), seed="/disks/seed.iso")

    assert [(disk.path, disk.bus, disk.target) for disk in vm.disks] == [
        ("/disks/root", "virtio", "vda"),
        ("/disks/1", "virtio", "vdb"),
        ("/disks/2", "scsi", "sdc"),
        ("/disks/3", "sata", "sda"),
        ("/disks/4", "virtio", "vdc"),
        ("/disks/5", "scsi", "sdd"),
        ("/disks/6", "sata", "sdb"),
        ("/disks/seed.iso", "scsi", "sde"),
    ]
    assert {disk.discard for disk in vm.disks[:-1]} == {"unmap"}


@pytest.mark.parametrize("bus", ["virtio", "scsi", "sata"])
def test_as_many_disks_as_a_spec_can_have_have_names_and_controllers(bus: str) -> None:
    """libvirt would add SCSI controllers of a model that no guest has a driver for."""
    vm = designed(disks=(DiskConfig(1, bus=bus),) * 24, seed="/disks/seed.iso")

    assert len({disk.target for disk in vm.disks}) == 26
    assert controllers(vm, "virtio-scsi") == (1 if bus == "virtio" else 4)


def test_cards_stand_in_the_order_of_the_spec() -> None:
    nics = (NetworkConfig("bridge", "br0"), NetworkConfig("network", None, "blue", "e1000e"))

    vm = designed(network_config=NetworkConfig("none"), nics=nics)

    assert vm.interfaces == (Interface("bridge", "br0", None, "virtio"), Interface("network", "blue", None, "e1000e"))


def test_secure_boot_and_a_tpm_are_there_if_asked_for() -> None:
    plain, asked = designed(firmware="uefi"), designed(firmware="uefi", secure_boot=True, tpm=True)

    assert (plain.secure_boot, plain.tpm) == (False, False)
    assert (asked.secure_boot, asked.tpm) == (True, True)


def test_there_is_room_to_grow_only_if_asked_for() -> None:
    """Room for memory needs a NUMA layout, which would make every VM stranger than it has to be."""
    for same in ({}, {"max_cpu_cores": 2, "max_memory_mb": 1024}):
        vm = designed(**same)
        assert (vm.max_vcpus, vm.max_memory_kib, vm.memory_slots) == (None, None, 0)
    vm = designed(max_cpu_cores=8, max_memory_mb=4096)
    assert (vm.vcpus, vm.max_vcpus) == (2, 8)
    assert (vm.memory_kib, vm.max_memory_kib, vm.memory_slots) == (1024**2, 4 * 1024**2, 16)
