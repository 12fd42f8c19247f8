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
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import NetworkConfig
from tests.core.machines import RECORD, SPEC, SURROUNDINGS, UUID


def designed(virt_type: str = "qemu", nat_network: str | None = "default", **spec: Any) -> DomainDefinition:
    surroundings = dataclasses.replace(SURROUNDINGS, virt_type=virt_type, nat_network=nat_network)
    return design(dataclasses.replace(SPEC, **spec), surroundings, UUID, RECORD, "/disks/root", None)


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
    ],
)
def test_the_card_is_connected_as_asked(
    config: NetworkConfig, nat_network: str | None, cards: tuple[Interface, ...]
) -> None:
    assert designed(nat_network=nat_network, network_config=config).interfaces == cards


def test_there_are_ports_for_what_is_plugged_later() -> None:
    """Each virtio device takes one, and those that are there at boot are all there will ever be."""
    vm = designed()

    ports = [controller for controller in vm.controllers if controller.model == "pcie-root-port"]
    # disk, card, scsi, serial, usb, balloon, rng
    assert len(ports) == 7 + 6
