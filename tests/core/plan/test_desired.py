# SPDX-License-Identifier: GPL-3.0-or-later
"""What brings a VM that is there to what is desired, and when it is not the one that was meant."""

import dataclasses
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec, NameTaken, WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.desired import (
    Desired,
    check_identity,
    validate_desired,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.existing import plan_existing
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.machine_steps import (
    ConnectCard,
    ResizeDomain,
    SetAutostart,
    WriteRecord,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power_steps import (
    RestartDomain,
    RestoreDomain,
    ResumeDomain,
    SaveDomain,
    StartDomain,
    StopDomain,
    SuspendDomain,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import Placement
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volume_steps import GrowDisk
from tests.core.machines import FULL_RECORD, OTHER_UUID, RECORD, UUID, observed

RUNNING = observed(status="running", is_active=True)


def operations(desired: Desired, machine: Any = None) -> list[type]:
    return [type(step.operation) for step in plan_existing(desired, machine or observed()).steps]


@pytest.mark.parametrize("uuid", [UUID, UUID.upper(), UUID.replace("-", ""), f"{{{UUID}}}"])
def test_a_uuid_in_any_spelling_is_the_vms(uuid: str) -> None:
    desired = validate_desired(Desired({"name": "web-1"}, uuid=uuid))

    assert desired.uuid == UUID
    check_identity(desired, observed())


@pytest.mark.parametrize("uuid", ["", "x", UUID[:-1], UUID + "0", "web-1", "\x00" * 36, "{{ uuid }}"])
def test_what_is_no_uuid_is_refused(uuid: str) -> None:
    with pytest.raises(InvalidSpec, match="uuid: is not a UUID"):
        validate_desired(Desired({"name": "web-1"}, uuid=uuid))


@pytest.mark.parametrize("name", ["a\x00b", "\ud800", "a\n", "a/b", "", "x" * 256], ids=ascii)
def test_a_name_that_no_domain_can_have_is_refused(name: Any) -> None:
    with pytest.raises(InvalidSpec) as caught:
        validate_desired(Desired({"name": name}))
    assert caught.value.field == "name"


def test_a_name_that_others_gave_is_no_error() -> None:
    assert Desired({"name": 'Büro (alt) & "Empfang" {{ x }}'}, create=False).name is not None


@pytest.mark.parametrize("field", ["pool", "image_pool", "network"])
@pytest.mark.parametrize("name", ["", "a\x00", "\ud800", "a/b", "..\n", "x" * 256], ids=ascii)
def test_a_place_that_no_host_can_have_is_refused(field: str, name: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        validate_desired(Desired({"name": "web-1"}, placement=dataclasses.replace(Placement(), **{field: name})))
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("record_id", 0),
        ("record_id", -1),
        ("record_id", 10**18),
        ("owner", "a\x00"),
        ("owner", "x" * 256),
        ("timeout", -1),
        ("timeout", float("nan")),
        ("timeout", float("inf")),
        ("force_after", -1),
        ("wait_for", "peace"),
        ("wait_port", 22),
        ("wait_timeout", -1),
        ("state", "gone"),
    ],
)
def test_what_could_not_be_written_down_or_waited_for_is_refused(field: str, value: Any) -> None:
    with pytest.raises(InvalidSpec) as caught:
        validate_desired(Desired({"name": "web-1"}, **{field: value}))
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("state", "wait_for", "port", "field"),
    [
        ("running", "port", None, "wait_port"),
        ("running", "port", 0, "wait_port"),
        ("running", "agent", 22, "wait_port"),
        ("stopped", "address", None, "wait_for"),
        ("absent", "agent", None, "wait_for"),
        ("paused", "off", None, "wait_for"),
    ],
)
def test_what_would_be_waited_for_in_vain_is_refused(state: str, wait_for: str, port: int | None, field: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        validate_desired(Desired({"name": "web-1"}, state=state, wait_for=wait_for, wait_port=port))
    assert caught.value.field == field


def test_a_vm_with_another_uuid_is_another() -> None:
    with pytest.raises(NameTaken) as caught:
        check_identity(Desired({"name": "web-1"}, uuid=OTHER_UUID), observed())
    assert caught.value.field == "uuid"


def test_a_vm_with_another_name_is_another() -> None:
    with pytest.raises(InvalidSpec, match="is named 'web-1'"):
        check_identity(Desired({"name": "web-2"}, uuid=UUID), observed())


def test_an_incomplete_vm_is_only_taken_away() -> None:
    unfinished = observed(record=dataclasses.replace(RECORD, incomplete=True), status="creating")

    for state in ("present", "running", "stopped"):
        with pytest.raises(WrongState, match="its creation was cut off; state absent removes it"):
            check_identity(Desired({"name": "web-1"}, state=state), unfinished)
    check_identity(Desired({"name": "web-1"}, state="absent"), unfinished)


@pytest.mark.parametrize("status", ["stopped", "running", "paused", "saved", "crashed"])
def test_present_leaves_the_power_alone(status: str) -> None:
    machine = observed(status=status, is_active=status in ("running", "paused"))

    assert plan_existing(Desired({"name": "web-1", "image": "x"}), machine) == Plan()


def test_running_starts_what_is_off_and_stopped_stops_what_is_on() -> None:
    assert operations(Desired(state="running")) == [StartDomain]
    assert operations(Desired(state="running"), RUNNING) == []
    assert operations(Desired(state="stopped")) == []
    assert operations(Desired(state="stopped"), RUNNING) == [StopDomain]


def test_it_is_resized_while_it_is_off_on_its_way_up_and_on_its_way_down() -> None:
    sizes = {"cpu_cores": 4, "disk_gb": 20}

    up = plan_existing(Desired(sizes, state="running"), observed())
    assert [type(step.operation) for step in up.steps] == [ResizeDomain, GrowDisk, StartDomain]
    assert up.before == {"cpu_cores": 2, "disk_gb": 10, "state": "stopped"}
    assert up.after == {"cpu_cores": 4, "disk_gb": 20, "state": "running"}

    down = plan_existing(Desired(sizes, state="stopped"), RUNNING)
    assert [type(step.operation) for step in down.steps] == [StopDomain, ResizeDomain, GrowDisk]
    assert down.before == {"cpu_cores": 2, "disk_gb": 10, "state": "running"}
    assert down.after == {"cpu_cores": 4, "disk_gb": 20, "state": "stopped"}


def test_a_vm_that_is_to_go_on_running_is_not_resized() -> None:
    for state in ("present", "running"):
        with pytest.raises(WrongState):
            plan_existing(Desired({"memory_mb": 2048}, state=state), RUNNING)


def test_sizes_are_looked_at_before_anything_is_planned() -> None:
    with pytest.raises(InvalidSpec):
        plan_existing(Desired({"cpu_cores": 0, "memory_mb": 31}, state="stopped"), RUNNING)


def test_a_stop_waits_as_long_as_desired() -> None:
    patient = plan_existing(Desired(state="stopped", timeout=7), RUNNING)
    forced = plan_existing(Desired(state="stopped", timeout=7, force_after=3), RUNNING)

    assert [step.operation for step in patient.steps] == [StopDomain(UUID, timeout=7, force=False)]
    assert [step.operation for step in forced.steps] == [StopDomain(UUID, timeout=3, force=True)]
    assert (patient.before, patient.after) == ({"state": "running"}, {"state": "stopped"})


def test_running_restores_what_was_saved_and_resumes_what_was_paused() -> None:
    assert operations(Desired(state="running"), observed(status="saved")) == [RestoreDomain]
    assert operations(Desired(state="running"), observed(status="paused", is_active=True)) == [ResumeDomain]


def test_paused_starts_what_is_off_without_letting_its_guest_run() -> None:
    off = plan_existing(Desired(state="paused"), observed())
    saved = plan_existing(Desired(state="paused"), observed(status="saved"))

    assert [step.operation for step in off.steps] == [StartDomain(UUID, paused=True)]
    assert (off.before, off.after) == ({"state": "stopped"}, {"state": "paused"})
    assert [type(step.operation) for step in saved.steps] == [RestoreDomain, SuspendDomain]
    assert operations(Desired(state="paused"), RUNNING) == [SuspendDomain]
    assert operations(Desired(state="paused"), observed(status="paused", is_active=True)) == []


def test_saved_is_only_what_runs() -> None:
    assert operations(Desired(state="saved"), RUNNING) == [SaveDomain]
    assert operations(Desired(state="saved"), observed(status="saved")) == []
    with pytest.raises(WrongState, match="not running"):
        plan_existing(Desired(state="saved"), observed())


def test_restarted_is_a_reboot_of_what_runs_and_a_start_of_what_is_off() -> None:
    on = plan_existing(Desired(state="restarted", timeout=9), RUNNING)

    assert [step.operation for step in on.steps] == [RestartDomain(UUID, timeout=9, force=False)]
    assert on.after == {"state": "running", "restarted": True}
    assert operations(Desired(state="restarted"), observed()) == [StartDomain]
    assert operations(Desired(state="restarted"), observed(status="saved")) == [RestoreDomain]


def test_restarted_goes_through_off_only_where_something_can_not_be_changed_otherwise() -> None:
    harmless = plan_existing(Desired({"description": "mail"}, state="restarted"), RUNNING)
    sizes = plan_existing(Desired({"memory_mb": 2048}, state="restarted", force_after=5), RUNNING)
    card = plan_existing(Desired({"network_config": {"type": "nat"}}, state="restarted"), RUNNING, "default")

    assert [type(step.operation) for step in harmless.steps] == [WriteRecord, RestartDomain]
    assert [type(step.operation) for step in sizes.steps] == [StopDomain, ResizeDomain, StartDomain]
    assert sizes.steps[0].operation == StopDomain(UUID, timeout=5, force=True)
    assert sizes.before == {"state": "running", "memory_mb": 1024}
    assert sizes.after == {"state": "running", "memory_mb": 2048, "restarted": True}
    assert [type(step.operation) for step in card.steps] == [StopDomain, ConnectCard, StartDomain]
    assert card.next_boot == []


def test_what_is_named_of_an_existing_vm_is_changed_and_nothing_else() -> None:
    spec = {"description": "mail", "tags": ["prod"], "autostart": True, "protected": True, "os_version": None}
    plan = plan_existing(Desired(spec), RUNNING)

    assert [type(step.operation) for step in plan.steps] == [WriteRecord, SetAutostart]
    assert plan.after == {"description": "mail", "tags": ["prod"], "autostart": True, "protected": True}


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("firmware", "uefi", "bios"),
        ("secure_boot", True, "false"),
        ("tpm", True, "false"),
        ("max_cpu_cores", 64, "2"),
        ("max_memory_mb", 65536, "1024"),
    ],
)
def test_what_a_vm_keeps_from_its_making_is_compared_and_refused_if_it_differs(
    field: str, value: Any, said: str
) -> None:
    machine = observed()
    assert plan_existing(Desired({field: machine.as_data()[field]}), machine) == Plan()

    with pytest.raises(InvalidSpec, match=f"{field}: can't be changed: VM 'web-1' was made with {said}"):
        plan_existing(Desired({field: value}), machine)


@pytest.mark.parametrize(
    ("given", "exclusive", "after"),
    [
        (["new"], False, ["env=test", "a/b", "new"]),
        (["a/b"], False, None),
        ([], False, None),
        (["a/b", "env=test"], True, None),
        (["a/b"], True, ["a/b"]),
        ([], True, []),
    ],
)
def test_tags_are_added_unless_they_are_said_to_be_all(
    given: list[str], exclusive: bool, after: list[str] | None
) -> None:
    whole = observed(record=dataclasses.replace(FULL_RECORD, incomplete=False))

    plan = plan_existing(Desired({"tags": given}, tags_exclusive=exclusive), whole)

    assert plan.after.get("tags") == after


def test_what_is_wrong_with_tags_is_said_of_those_that_are_given() -> None:
    whole = observed(record=dataclasses.replace(FULL_RECORD, incomplete=False))
    for given, field in ((["fine", "not fine"], "tags.1"), (["a", "a"], "tags"), (["x"] * 65, "tags")):
        with pytest.raises(InvalidSpec) as caught:
            plan_existing(Desired({"tags": given}), whole)
        assert caught.value.field == field
    with pytest.raises(InvalidSpec, match="tags: has more than 64 entries"):
        plan_existing(Desired({"tags": [str(number) for number in range(63)]}), whole)


@pytest.mark.parametrize(
    ("given", "exclusive", "after"),
    [
        ({"rack": "13"}, False, {"rack": "13", "site/owner": "Zoë <zoe@example.com>\n& co"}),
        ({"rack": "12"}, False, None),
        ({}, False, None),
        ({"rack": None, "unknown": ""}, False, {"site/owner": "Zoë <zoe@example.com>\n& co"}),
        ({"rack": "12"}, True, {"rack": "12"}),
        ({}, True, {}),
    ],
)
def test_metadata_is_what_is_named_and_what_there_was_unless_that_is_said_to_be_all(
    given: dict[str, Any], exclusive: bool, after: dict[str, str] | None
) -> None:
    whole = observed(record=dataclasses.replace(FULL_RECORD, incomplete=False))

    plan = plan_existing(Desired({"metadata": given}, metadata_exclusive=exclusive), whole)

    assert plan.after.get("metadata") == after


def test_metadata_and_what_there_was_may_not_be_too_much_together() -> None:
    whole = observed(record=dataclasses.replace(FULL_RECORD, incomplete=False))
    many = {f"k{number}": "x" for number in range(63)}

    with pytest.raises(InvalidSpec, match="metadata: has more than 64 entries"):
        plan_existing(Desired({"metadata": many}), whole)
    assert plan_existing(Desired({"metadata": {**many, "rack": ""}}), whole).changed
