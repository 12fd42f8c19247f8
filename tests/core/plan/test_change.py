# SPDX-License-Identifier: GPL-3.0-or-later
"""What changes a VM that is there, when each change takes effect, and what is refused."""

import dataclasses
import re
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import Graphics, Interface
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec, WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.change import Change, plan_change
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.machine_steps import (
    ConnectCard,
    PlugVcpus,
    RenameDomain,
    ResizeDomain,
    SetAutostart,
    SetVnc,
    WriteRecord,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.sizes import TRANSIENT
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Applies, Plan
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volume_steps import GrowDisk
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import NetworkConfig
from tests.core.machines import FULL_RECORD, GIB, RECORD, UUID, observed

MAC = "52:54:00:00:00:01"
NAT = Interface("network", "default", MAC, "e1000e")
BRIDGED = Interface("bridge", "br0", MAC, "e1000e")
EVERYTHING = Change(
    name="web-2", cpu_cores=4, memory_mb=2048, disk_gb=20, os_type="freebsd", os_version="14", description="x",
    tags=("a",), metadata={"rack": "1"}, autostart=True, protected=True, template=True, vnc_enabled=True,
    network_config=NetworkConfig("bridge", "br0"),
)  # fmt: skip


def with_devices(machine: ObservedMachine | None = None, **devices: Any) -> ObservedMachine:
    """``machine`` with those interfaces or graphics in its definition and, if it runs, as it runs."""
    machine = machine or observed()
    definition = dataclasses.replace(machine.definition, **devices)
    return dataclasses.replace(machine, definition=definition, running=definition if machine.is_active else None)


def planned(change: Change, machine: ObservedMachine | None = None, nat: str | None = "default") -> Plan:
    return plan_change(machine or observed(), change, nat, "2024-07-08T09:10:11Z")


def running(**changes: Any) -> ObservedMachine:
    return with_devices(observed(status="running", is_active=True, **changes), interfaces=(NAT,))


def refusal(change: Change, machine: ObservedMachine | None = None) -> list[tuple[str, str]]:
    with pytest.raises(InvalidSpec) as caught:
        planned(change, machine)
    return [(error.field, error.message) for error in caught.value.errors]


def test_what_it_is_already_is_no_change() -> None:
    machine = with_devices(
        observed(record=dataclasses.replace(FULL_RECORD, incomplete=False), autostart=True, disk_size=10 * GIB),
        interfaces=(NAT,),
        graphics=(Graphics("vnc"),),
    )
    same = Change(
        "web-1", 2, 1024, 10, "linux", "Debian 12", "What it is for", ("env=test", "a/b"),
        dict(FULL_RECORD.metadata), True, True, True, True, NetworkConfig("nat"),
    )  # fmt: skip

    assert planned(Change(), machine) == planned(same, machine) == Plan()


def test_all_at_once_what_can_be_put_back_comes_before_what_can_not() -> None:
    plan = planned(EVERYTHING)

    assert [type(step.operation) for step in plan.steps] == [
        ResizeDomain,
        ConnectCard,
        SetVnc,
        RenameDomain,
        WriteRecord,
        SetAutostart,
        GrowDisk,
    ]
    given = {one.name for one in dataclasses.fields(Change)} - {"live"}
    assert set(plan.before) == set(plan.after) == given
    assert {field for step in plan.steps for field in step.fields} == given
    assert plan.next_boot == []


def test_each_step_sets_the_fields_that_it_says() -> None:
    for one in dataclasses.fields(Change):
        if one.name != "live":
            plan = planned(Change(**{one.name: getattr(EVERYTHING, one.name)}))
            assert [step.fields for step in plan.steps] == [(one.name,)]
            assert list(plan.after) == [one.name]


# The name


def test_a_vm_that_is_off_is_renamed() -> None:
    (step,) = planned(Change(name="web-2")).steps

    assert (step.operation, step.applies) == (RenameDomain(UUID, "web-2"), Applies.OFF)


def test_a_vm_that_runs_is_not_renamed() -> None:
    for status in ("running", "paused"):
        with pytest.raises(WrongState, match=r"^VM must be stopped before renaming$"):
            planned(Change(name="web-2"), running(name="web-1") if status == "running" else observed(status=status))
    with pytest.raises(WrongState, match=r"^VM must be stopped before renaming; it is saved: "):
        planned(Change(name="web-2"), observed(status="saved"))


def test_a_name_that_others_gave_may_stay_and_no_new_one_may_be_so() -> None:
    theirs = observed(name='Büro & "Empfang"')

    assert planned(Change(name='Büro & "Empfang"'), theirs) == Plan()
    ((field, _message),) = refusal(Change(name='Büro & "Diele"'), theirs)
    assert field == "name"


# The record


def test_what_it_says_of_itself_is_written_at_once_whether_it_runs_or_not() -> None:
    for machine in (observed(record=FULL_RECORD), running(record=FULL_RECORD)):
        whole = dataclasses.replace(
            machine,
            definition=dataclasses.replace(
                machine.definition, record=dataclasses.replace(FULL_RECORD, incomplete=False)
            ),
        )
        (step,) = planned(Change(os_version="", description="", tags=(), metadata={}, protected=False), whole).steps
        assert step.applies is Applies.NOW
        assert step.operation == WriteRecord(
            UUID,
            dataclasses.replace(
                FULL_RECORD,
                os_version=None,
                description=None,
                tags=(),
                metadata=(),
                protected=False,
                revision=4,
                incomplete=False,
            ),
        )


def test_a_vm_of_others_becomes_ours_when_something_is_said_of_it() -> None:
    theirs = observed(record=None)

    (step,) = planned(Change(description="Theirs", autostart=False), theirs).steps

    assert step.operation == WriteRecord(UUID, Record(UUID, "2024-07-08T09:10:11Z", description="Theirs"))
    assert planned(Change(description="", tags=(), protected=False), theirs) == Plan()
    assert [type(step.operation) for step in planned(Change(cpu_cores=4, vnc_enabled=True), theirs).steps] == [
        ResizeDomain,
        SetVnc,
    ]


def test_a_vm_that_is_being_made_is_not_changed() -> None:
    with pytest.raises(WrongState, match="is being created, or its creation was cut off"):
        planned(Change(description="x"), observed(record=dataclasses.replace(RECORD, incomplete=True)))


# The display and the network


@pytest.mark.parametrize(("machine", "applies"), [(observed(), Applies.NOW), (running(), Applies.NEXT_BOOT)])
def test_a_display_comes_and_goes_with_the_next_boot(machine: ObservedMachine, applies: Applies) -> None:
    (step,) = planned(Change(vnc_enabled=True), machine).steps
    assert (step.operation, step.applies) == (SetVnc(UUID, "127.0.0.1"), applies)

    shown = with_devices(machine, graphics=(Graphics("spice"), Graphics("vnc")))
    (step,) = planned(Change(vnc_enabled=False), shown).steps
    assert (step.operation, step.applies) == (SetVnc(UUID, None), applies)
    spice = with_devices(machine, graphics=(Graphics("spice"),))
    assert planned(Change(vnc_enabled=False), spice) == Plan()


@pytest.mark.parametrize(
    ("config", "nat", "card"),
    [
        (NetworkConfig("bridge", "br0"), "default", BRIDGED),
        (NetworkConfig("network", network_name="blue"), "default", Interface("network", "blue", MAC, "e1000e")),
        (NetworkConfig("nat"), "other", Interface("network", "other", MAC, "e1000e")),
        (NetworkConfig("nat"), None, Interface("user", None, MAC, "e1000e")),
        (
            NetworkConfig("nat", mac_address="52:54:00:AA:00:02"),
            "default",
            Interface("network", "default", "52:54:00:aa:00:02", "e1000e"),
        ),
        (NetworkConfig("nat", model="rtl8139"), "default", Interface("network", "default", MAC, "rtl8139")),
        (NetworkConfig("none"), "default", None),
    ],
)
def test_the_first_card_is_plugged_in_elsewhere_and_is_else_the_same(
    config: NetworkConfig, nat: str | None, card: Interface | None
) -> None:
    machine = with_devices(interfaces=(NAT,))

    (step,) = planned(Change(network_config=config), machine, nat).steps

    assert step.operation == ConnectCard(UUID, card)
    assert step.applies is Applies.NOW


def test_a_vm_without_a_card_gets_one() -> None:
    (step,) = planned(Change(network_config=NetworkConfig("nat", model="e1000e"))).steps

    assert step.operation == ConnectCard(UUID, Interface("network", "default", None, "e1000e"))
    assert planned(Change(network_config=NetworkConfig("none"))) == Plan()


def test_a_running_vm_is_plugged_in_elsewhere_at_once_where_libvirt_can() -> None:
    (step,) = planned(Change(network_config=NetworkConfig("bridge", "br0")), running()).steps
    assert (step.operation, step.applies) == (ConnectCard(UUID, BRIDGED, live=True), Applies.NOW)

    for config, nat in (
        (NetworkConfig("nat"), None),
        (NetworkConfig("none"), "default"),
        (NetworkConfig("bridge", "br0", model="rtl8139"), "default"),
        (NetworkConfig("bridge", "br0", mac_address="52:54:00:00:00:02"), "default"),
    ):
        plan = planned(Change(network_config=config), running(), nat)
        assert plan.next_boot == ["network_config"]
        (step,) = plan.steps
        assert isinstance(step.operation, ConnectCard)
        assert not step.operation.live


def test_a_diff_of_the_network_speaks_as_a_spec_does() -> None:
    plan = planned(Change(network_config=NetworkConfig("bridge", "br0")), with_devices(interfaces=(NAT,)))

    assert plan.before == {"network_config": {"type": "nat", "model": "e1000e", "mac_address": MAC}}
    assert plan.after == {
        "network_config": {"type": "bridge", "bridge_name": "br0", "model": "e1000e", "mac_address": MAC}
    }


def test_a_device_of_the_host_is_nothing_to_plug_elsewhere() -> None:
    passed_through = with_devices(interfaces=(Interface("hostdev", None, MAC),))

    ((field, message),) = refusal(Change(network_config=NetworkConfig("nat")), passed_through)
    assert (field, "of type hostdev" in message) == ("network_config.type", True)


def test_none_never_takes_a_card_that_nobody_named() -> None:
    """Asked again, as a PUT may be, it would take the next one."""
    two = with_devices(interfaces=(NAT, BRIDGED))

    ((field, message),) = refusal(Change(network_config=NetworkConfig("none")), two)
    assert (field, "has further cards" in message) == ("network_config.type", True)


# What can't be changed


def test_a_saved_vm_keeps_its_devices_and_may_say_other_things_of_itself() -> None:
    saved = with_devices(observed(status="saved"), interfaces=(NAT,))

    for change in (Change(vnc_enabled=True), Change(network_config=NetworkConfig("bridge", "br0"))):
        with pytest.raises(WrongState, match=r"^VM is saved: start it, then stop it, before its devices are changed$"):
            planned(change, saved)
    assert planned(Change(description="x", autostart=True), saved).changed


def test_a_transient_vm_has_no_definition_to_change() -> None:
    transient = dataclasses.replace(running(), is_persistent=False)

    for change in (
        Change(name="web-2"),
        Change(cpu_cores=1),
        Change(description="x"),
        Change(autostart=True),
        Change(vnc_enabled=True),
        Change(network_config=NetworkConfig("bridge", "br0")),
    ):
        with pytest.raises(WrongState, match=rf"^{re.escape(TRANSIENT)}$"):
            planned(change, transient)


def test_a_running_vm_grows_only_if_it_may() -> None:
    roomy = running()
    roomy = dataclasses.replace(roomy, running=dataclasses.replace(roomy.definition, max_vcpus=8))

    with pytest.raises(WrongState, match=r"^VM must be stopped before resizing$"):
        planned(Change(cpu_cores=4, description="x"), roomy)
    plan = planned(Change(cpu_cores=4, description="x", live=True), roomy)
    assert [type(step.operation) for step in plan.steps] == [ResizeDomain, WriteRecord, PlugVcpus]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (Change(name="../x"), "name"),
        (Change(name=""), "name"),
        (Change(name="a\n"), "name"),
        (Change(cpu_cores=0), "cpu_cores"),
        (Change(memory_mb=31), "memory_mb"),
        (Change(disk_gb=float("nan")), "disk_gb"),
        (Change(os_type=""), "os_type"),
        (Change(os_version="x" * 256), "os_version"),
        (Change(description="\x00"), "description"),
        (Change(tags=("a", "a")), "tags"),
        (Change(metadata={"a b": "x"}), "metadata"),
        (Change(metadata={"a": 1}), "metadata.a"),
        (Change(metadata="a=b"), "metadata"),  # type: ignore[arg-type]  as a user may have it
        (Change(tags=("",)), "tags.0"),
        (Change(tags=("a",) * 65), "tags"),
        (Change(network_config=NetworkConfig("bridge")), "network_config.bridge_name"),
        (Change(network_config=NetworkConfig("bridge", "x" * 16)), "network_config.bridge_name"),
        (Change(network_config=NetworkConfig("nat", "br0")), "network_config.bridge_name"),
        (Change(network_config=NetworkConfig("what")), "network_config.type"),
        (Change(network_config=NetworkConfig(mac_address="01:00:00:00:00:00")), "network_config.mac_address"),
        (Change(autostart="yes"), "autostart"),  # type: ignore[arg-type]
        (Change(vnc_enabled=1), "vnc_enabled"),  # type: ignore[arg-type]
        (Change(cpu_cores=1.5), "cpu_cores"),  # type: ignore[arg-type]
    ],
)
def test_what_can_be_of_no_vm_is_refused_by_its_name(change: Change, field: str) -> None:
    assert refusal(change)[0][0] == field


def test_everything_that_is_wrong_is_told_at_once() -> None:
    wrong = Change(name="/", cpu_cores=0, tags=("",), network_config=NetworkConfig("bridge"))

    assert [field for field, _message in refusal(wrong)] == [
        "name",
        "cpu_cores",
        "tags.0",
        "network_config.bridge_name",
    ]
