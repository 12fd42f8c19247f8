# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices of VMs on a real host: in the definition that libvirt makes of them, and in a VM that runs."""

from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure import ensure
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.device import read_devices
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from lab.host import Host
from tests.core.actions.guests import desired, made
from tests.core.actions.test_ensure_further import brought, wish
from tests.core.domain_xml.documents import difference, uncounted

pytestmark = pytest.mark.lab

ALL: list[dict[str, Any]] = [
    {"type": "pci", "address": "0000:65:00.0"},
    {"type": "usb", "vendor": "0x1d6b", "product": "0x0002"},
    {"type": "usb", "bus": 1, "device": 4},
    {"type": "virtiofs", "source": "/srv/shared", "tag": "shared"},
    {"type": "watchdog", "action": "poweroff"},
    {"type": "sound"},
]


def keys(hypervisor: Hypervisor, uuid: str) -> set[str]:
    return {one.key for one in read_devices(hypervisor.domain(uuid).xml(inactive=True))}


@pytest.mark.parametrize("machine", ["q35", "pc"])
def test_a_new_vm_is_defined_with_every_device(hypervisor: Hypervisor, lab_host: Host, machine: str) -> None:
    wanted = desired(lab_host, "outfitted", machine=machine, devices=ALL)
    answer = ensure(hypervisor, wanted)

    assert len(answer["diff"]["after"]["devices"]) == len(ALL)
    uuid = answer["vm"]["uuid"]
    assert keys(hypervisor, uuid) == {
        "pci 0000:65:00.0", "usb 1d6b:0002", "usb 1.4", "virtiofs shared", "watchdog", "sound ich9",
    }  # fmt: skip
    xml = hypervisor.domain(uuid).xml(inactive=True)
    assert "<access mode='shared'/>" in xml
    assert "managed='yes'" in xml
    assert ensure(hypervisor, wanted)["changed"] is False


def test_a_vm_that_is_there_gets_what_it_lacks_and_loses_what_is_not_listed_if_that_is_said(
    hypervisor: Hypervisor, lab_host: Host
) -> None:
    vm = made(hypervisor, desired(lab_host, "outfitting"))
    xml = hypervisor.domain(vm.uuid).xml(inactive=True)

    answer = brought(hypervisor, "outfitting", devices=ALL[:4])
    assert answer["diff"]["before"]["devices"]["usb 1.4"] is None
    assert answer["diff"]["after"]["devices"]["usb 1.4"] == {"type": "usb", "bus": 1, "device": 4}
    now = hypervisor.domain(vm.uuid).xml(inactive=True)
    assert [line for line in difference(xml, uncounted(now)) if line[0] == "-"] == []

    changed = [{**ALL[3], "source": "/srv/other"}, {"type": "watchdog", "model": "ib700"}]
    answer = brought(hypervisor, "outfitting", devices=changed)
    assert answer["diff"]["before"]["devices"]["virtiofs shared"]["source"] == "/srv/shared"
    assert len(keys(hypervisor, vm.uuid)) == 5
    brought(hypervisor, "outfitting", devices=changed, devices_exclusive=True)
    assert keys(hypervisor, vm.uuid) == {"virtiofs shared", "watchdog"}
    brought(hypervisor, "outfitting", devices=[], devices_exclusive=True)
    assert keys(hypervisor, vm.uuid) == set()

    bad = (([*ALL, {"type": "sound", "model": "x"}], "devices.6.model"), ([{"type": "pci"}], "devices.0.address"))
    for devices, field in bad:
        for wanted in (wish("outfitting", devices=devices), desired(lab_host, "new", devices=devices)):
            with pytest.raises(InvalidSpec) as caught:
                ensure(hypervisor, wanted)
            assert caught.value.field == field


@pytest.mark.slow
def test_a_running_vm_gets_them_with_its_next_boot(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "outfit-on", "running"))
    devices = [{"type": "watchdog", "action": "pause"}, {"type": "sound", "model": "ich6"}]

    answer = brought(hypervisor, "outfit-on", devices=devices)
    assert answer["next_boot"] == ["devices"]
    assert read_devices(hypervisor.domain(vm.uuid).xml()) == ()

    ensure(hypervisor, wish("outfit-on", devices=devices, state="stopped", force_after=0))
    assert ensure(hypervisor, wish("outfit-on", devices=devices, state="running"))["next_boot"] == []
    assert {one.key for one in read_devices(hypervisor.domain(vm.uuid).xml())} == {"watchdog", "sound ich6"}
