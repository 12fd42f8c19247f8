# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices come back from the XML as they went in, and nothing else of it changes."""

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.device import DeviceConfig
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.device import (
    read_devices,
    with_device,
    without_device,
)
from tests.core.domain_xml.documents import FOREIGN, difference, element

DEVICES = [
    DeviceConfig("pci", address="0000:65:00.1"),
    DeviceConfig("usb", vendor="0x1d6b", product="0x00ff"),
    DeviceConfig("usb", bus=1, device=12),
    DeviceConfig("virtiofs", source="/srv/a & b", tag="shared"),
    DeviceConfig("watchdog", model="ib700", action="pause"),
    DeviceConfig("sound", model="usb"),
]


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("device", DEVICES, ids=lambda one: str(one.key))
def test_a_device_comes_goes_and_leaves_the_rest_alone(name: str, device: DeviceConfig) -> None:
    bare = FOREIGN[name]
    for one in read_devices(bare):
        bare = without_device(bare, one.key)

    made = with_device(bare, device)

    assert read_devices(made) == (device,)
    assert with_device(made, device) == made
    assert [line for line in difference(bare, made) if line[0] == "-" and "memoryBacking" not in line] == []
    left = difference(bare, without_device(made, device.key))
    assert [line for line in left if "memoryBacking" not in line and line != "+ /domain/devices"] == []


def test_a_folder_needs_memory_that_others_see_whatever_backs_it() -> None:
    folder = DEVICES[3]
    huge = "<domain><memory>1</memory><memoryBacking><hugepages/><locked/></memoryBacking><devices/></domain>"

    for xml, kinds in (
        ("<domain><memory>1</memory></domain>", ["source", "access"]),
        (huge, ["hugepages", "locked", "access"]),
    ):
        backing = element(with_device(xml, folder)).find("memoryBacking")
        assert backing is not None
        assert [child.tag for child in backing] == kinds
        assert backing[-1].attrib == {"mode": "shared"}


def test_what_a_key_does_not_say_is_changed_in_place() -> None:
    made = "<domain><devices/></domain>"
    for device in DEVICES:
        made = with_device(made, device)
    made = made.replace("<target dir", "<binary path='/opt/virtiofsd'/><target dir")

    moved = with_device(made, DeviceConfig("virtiofs", source="/srv/b", tag="shared"))
    assert sorted(line[:40] for line in difference(made, moved)) == [
        "+ /domain/devices/filesystem/source dir=", "- /domain/devices/filesystem/source dir=",
    ]  # fmt: skip
    watched = with_device(made, DeviceConfig("watchdog", action="reset"))
    assert read_devices(watched)[4] == DeviceConfig("watchdog", model="ib700", action="reset")
    other = read_devices(with_device(made, DeviceConfig("watchdog", model="i6300esb")))
    assert [one.model for one in other if one.type == "watchdog"] == ["i6300esb"]


def test_what_belongs_to_the_machine_or_to_its_maker_is_no_device_of_ours() -> None:
    xml = (
        "<domain><devices><watchdog model='itco' action='reset'/><sound model='es1370'/><filesystem type='mount'>"
        "<source dir='/x'/><target dir='9p'/></filesystem><hostdev mode='subsystem' type='mdev'><source/></hostdev>"
        "<hostdev mode='capabilities' type='misc'/></devices></domain>"
    )
    assert read_devices(xml) == ()
