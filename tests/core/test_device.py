# SPDX-License-Identifier: GPL-3.0-or-later
"""Which devices a VM can be said to have, and which are one and the same."""

from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.device import DeviceConfig
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.devices import DeviceList, validate_devices

PCI = DeviceConfig("pci", address="65:00.0")
USB = DeviceConfig("usb", vendor="0x1D6B", product="0x0002")
FOLDER = DeviceConfig("virtiofs", source="/srv/shared", tag="shared")


@pytest.mark.parametrize(
    ("device", "key"),
    [
        (PCI, "pci 0000:65:00.0"),
        (DeviceConfig("pci", address="0001:AB:1f.7"), "pci 0001:ab:1f.7"),
        (USB, "usb 1d6b:0002"),
        (DeviceConfig("usb", bus=1, device=4), "usb 1.4"),
        (FOLDER, "virtiofs shared"),
        (DeviceConfig("watchdog"), "watchdog"),
        (DeviceConfig("watchdog", model="ib700", action="pause"), "watchdog"),
        (DeviceConfig("sound"), "sound ich9"),
        (DeviceConfig("sound", model="usb"), "sound usb"),
    ],
)
def test_a_device_is_known_by_what_it_is(device: DeviceConfig, key: str) -> None:
    assert validate_devices(DeviceList((device,))).devices[0].key == key


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"type": "floppy"}, "type"),
        ({"type": "pci"}, "address"),
        ({"type": "pci", "address": "65:20.0"}, "address"),
        ({"type": "pci", "address": "65:00.8"}, "address"),
        ({"type": "pci", "address": "3900.0"}, "address"),
        ({"type": "pci", "address": "65:00.0", "tag": "x"}, "tag"),
        ({"type": "usb"}, "vendor"),
        ({"type": "usb", "vendor": "0x1d6b"}, "product"),
        ({"type": "usb", "vendor": "7531", "product": "0x0002"}, "vendor"),
        ({"type": "usb", "bus": 1}, "device"),
        ({"type": "usb", "bus": 1, "device": 2, "vendor": "0x1d6b", "product": "0x0002"}, "bus"),
        ({"type": "usb", "bus": 0, "device": 2}, "bus"),
        ({"type": "virtiofs", "source": "/srv"}, "tag"),
        ({"type": "virtiofs", "source": "srv", "tag": "x"}, "source"),
        ({"type": "virtiofs", "source": "/srv/../etc", "tag": "x"}, "source"),
        ({"type": "virtiofs", "source": "/srv/a\nb", "tag": "x"}, "source"),
        ({"type": "virtiofs", "source": "/srv", "tag": "x" * 37}, "tag"),
        ({"type": "watchdog", "model": "itco"}, "model"),
        ({"type": "watchdog", "action": "panic"}, "action"),
        ({"type": "sound", "model": "i6300esb"}, "model"),
        ({"type": "sound", "action": "reset"}, "action"),
    ],
)
def test_what_no_device_can_be_is_refused_by_its_field(fields: dict[str, Any], wrong: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        validate_devices(DeviceList((FOLDER, DeviceConfig(**fields))))
    assert caught.value.field == f"devices.1.{wrong}"


@pytest.mark.parametrize(
    "other",
    [
        DeviceConfig("pci", address="0000:65:00.0"),
        DeviceConfig("usb", vendor="0x1d6b", product="0x0002"),
        DeviceConfig("virtiofs", source="/srv/other", tag="shared"),
    ],
)
def test_no_vm_has_one_device_twice(other: DeviceConfig) -> None:
    with pytest.raises(InvalidSpec, match=r"devices\.3: is the device of devices\.[012]"):
        validate_devices(DeviceList((PCI, USB, FOLDER, other)))
