# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan that takes a VM away: in an order in which a failure leaves the VM whole, or its disks."""

import dataclasses

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import Protected
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.delete import plan_delete
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.machine_steps import UndefineDomain
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power_steps import PowerOff
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volume_steps import DeleteVolume
from tests.core.machines import RECORD, UUID, observed

PROTECTED = dataclasses.replace(RECORD, protected=True)


def test_it_is_off_before_it_is_undefined_and_that_before_any_disk() -> None:
    plan = plan_delete(observed(status="running", is_active=True), ["/a", "/b"])

    assert [step.operation for step in plan.steps] == [
        PowerOff(UUID),
        UndefineDomain(UUID),
        DeleteVolume("/a"),
        DeleteVolume("/b"),
    ]
    assert (plan.before, plan.after) == ({"state": "present", "disks": ["/a", "/b"]}, {"state": "absent"})


def test_a_vm_that_is_off_is_only_undefined() -> None:
    assert [step.operation for step in plan_delete(observed(), []).steps] == [UndefineDomain(UUID)]


def test_a_transient_vm_is_gone_with_its_power() -> None:
    transient = observed(is_active=True, is_persistent=False, status="running")

    assert [step.operation for step in plan_delete(transient, []).steps] == [PowerOff(UUID)]


def test_a_protected_vm_is_kept() -> None:
    for machine in (observed(record=PROTECTED), observed(record=PROTECTED, is_active=True, status="running")):
        with pytest.raises(Protected, match="'web-1' is protected") as caught:
            plan_delete(machine, ["/a"])
        assert caught.value.code == "protected"


def test_the_rest_of_a_create_that_was_cut_off_is_not_worth_protecting() -> None:
    assert plan_delete(observed(record=dataclasses.replace(PROTECTED, incomplete=True)), []).changed


def test_a_vm_of_others_can_be_taken_away() -> None:
    assert plan_delete(observed(record=None), []).changed
