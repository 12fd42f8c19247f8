# SPDX-License-Identifier: GPL-3.0-or-later
"""When a VM is what XML of a user's made it, and what is done where it is not."""

import dataclasses

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.given import (
    definition_fingerprint,
    given_xml,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.moving import MOVE_NAMESPACE, read_move
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.nic import Nic
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import read_domain
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.chassis import Chassis
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.given_xml import DefineXml, plan_new_xml, plan_xml
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.machine_steps import SetAutostart
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power_steps import StartDomain
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Applies, Plan
from tests.core.machines import RECORD, UUID

GIVEN = given_xml(
    "<domain type='qemu'><name>own</name><devices><interface type='user'/>"
    "<graphics type='vnc' passwd='s3cret'/></devices></domain>"
)
DEFINED = "<domain type='qemu'><name>own</name><vcpu>1</vcpu><devices><graphics type='vnc'/></devices></domain>"
KNOWN = dataclasses.replace(
    RECORD, xml_given=GIVEN.fingerprint, xml_defined=definition_fingerprint(DEFINED), revision=3
)
OFF = Chassis(
    UUID, "own", "stopped", DEFINED, record=KNOWN, defined_nics=(Nic("user", mac_address="52:54:00:00:00:01"),)
)


def planned(chassis: Chassis, known: str = "s3cret") -> Plan:
    return plan_xml(GIVEN, chassis, [known], "now")


def test_a_vm_that_is_what_the_xml_made_it_is_left_alone() -> None:
    for chassis in (
        OFF,
        dataclasses.replace(OFF, status="saved"),
        dataclasses.replace(OFF, defined_xml=DEFINED.replace("><", ">\n  <")),
    ):
        assert planned(chassis) == Plan()


@pytest.mark.parametrize(
    ("chassis", "password"),
    [
        (dataclasses.replace(OFF, record=dataclasses.replace(KNOWN, xml_given="0" * 64)), "s3cret"),
        (dataclasses.replace(OFF, defined_xml=DEFINED.replace("<vcpu>1", "<vcpu>2")), "s3cret"),
        (dataclasses.replace(OFF, record=RECORD), "s3cret"),
        (dataclasses.replace(OFF, record=None), "s3cret"),
        (OFF, "another"),
    ],
)
def test_whatever_is_another_is_a_change_that_keeps_what_is_the_vms_own(chassis: Chassis, password: str) -> None:
    plan = planned(chassis, password)

    (step,) = plan.steps
    assert isinstance(step.operation, DefineXml)
    made = read_domain(step.operation.xml)
    assert (made.uuid, made.interfaces[0].mac_address) == (UUID, "52:54:00:00:00:01")
    assert "s3cret" in step.operation.xml
    assert "s3cret" not in str(plan)
    assert "(not shown)" in plan.after["xml"]
    assert (step.applies, step.fields) == (Applies.NOW, ("xml",))


def test_a_vm_that_runs_waits_and_one_that_is_saved_or_transient_stays_as_it_is() -> None:
    other = dataclasses.replace(OFF, record=RECORD)
    assert planned(dataclasses.replace(other, status="running", running_xml=DEFINED)).next_boot == ["xml"]
    for chassis in (
        dataclasses.replace(other, status="saved"),
        dataclasses.replace(other, status="running", running_xml=DEFINED, defined_xml=None),
    ):
        with pytest.raises(WrongState):
            planned(chassis)


def test_a_new_one_is_defined_and_then_started() -> None:
    plan = plan_new_xml(GIVEN, RECORD, autostart=True, start=True, paused=True)

    assert [type(step.operation) for step in plan.steps] == [DefineXml, SetAutostart, StartDomain]
    assert (plan.after["name"], plan.after["state"]) == ("own", "paused")
    assert "s3cret" not in str(plan)


def test_a_migration_that_has_not_ended_is_not_forgotten_and_none_is_made_up() -> None:
    note = f"<metadata><m:move xmlns:m='{MOVE_NAMESPACE}' source='a' destination='b'/></metadata>"
    moving = dataclasses.replace(OFF, defined_xml=DEFINED.replace("<vcpu>1", f"{note}<vcpu>2"))
    with pytest.raises(WrongState, match="has a migration that has not ended") as caught:
        planned(moving)
    assert caught.value.field == "xml"

    forged = given_xml(f"<domain type='qemu'><name>own</name>{note}</domain>")
    (step, *_) = plan_xml(forged, OFF, ["s3cret"], "now").steps
    assert isinstance(step.operation, DefineXml)
    assert read_move(step.operation.xml) is None
