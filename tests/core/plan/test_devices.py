# SPDX-License-Identifier: GPL-3.0-or-later
"""What brings a VM's further devices to what a list says, and when they can't be changed."""

import dataclasses

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.device import DeviceConfig
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.device import with_device
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.chassis import Chassis
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.devices import (
    DefineDevice,
    DeviceList,
    UndefineDevice,
    plan_devices,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Applies, Plan
from tests.core.machines import UUID

DOG = DeviceConfig("watchdog", model="ib700", action="pause")
FOLDER = DeviceConfig("virtiofs", source="/srv", tag="srv")
XML = with_device("<domain><devices/></domain>", DOG)
OFF = Chassis(UUID, "web-1", "stopped", XML)
ON = dataclasses.replace(OFF, status="running", running_xml=XML)


@pytest.mark.parametrize(
    "wanted",
    [
        DeviceList(),
        DeviceList((DOG,), exclusive=True),
        DeviceList((DeviceConfig("watchdog"),)),
        DeviceList((DeviceConfig("watchdog", action="pause"),)),
    ],
)
def test_what_it_has_already_is_no_change(wanted: DeviceList) -> None:
    for chassis in (OFF, ON, dataclasses.replace(OFF, status="saved")):
        assert plan_devices(wanted, chassis) == Plan()


def test_what_is_missing_comes_and_what_is_not_listed_goes_only_if_that_is_said() -> None:
    added = plan_devices(DeviceList((FOLDER,)), OFF)
    assert [step.operation for step in added.steps] == [DefineDevice(UUID, FOLDER)]
    assert added.before == {"devices": {"virtiofs srv": None}}

    alone = plan_devices(DeviceList((FOLDER,), exclusive=True), ON)
    assert [step.operation for step in alone.steps] == [DefineDevice(UUID, FOLDER), UndefineDevice(UUID, "watchdog")]
    assert {step.applies for step in alone.steps} == {Applies.NEXT_BOOT}
    assert alone.after["devices"]["watchdog"] is None

    changed = plan_devices(DeviceList((DeviceConfig("watchdog", action="reset"),)), OFF)
    assert changed.after == {"devices": {"watchdog": {"type": "watchdog", "model": "ib700", "action": "reset"}}}


def test_a_vm_that_is_saved_or_transient_keeps_its_devices() -> None:
    for chassis in (
        dataclasses.replace(OFF, status="saved"),
        dataclasses.replace(ON, defined_xml=None),
    ):
        with pytest.raises(WrongState):
            plan_devices(DeviceList((FOLDER,)), chassis)
