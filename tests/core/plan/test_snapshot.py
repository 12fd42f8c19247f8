# SPDX-License-Identifier: GPL-3.0-or-later
"""Which steps bring a VM's snapshots to what is wanted."""

import dataclasses
import re
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec, SnapshotNotFound, WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot import plan_snapshot
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_steps import (
    RemoveSnapshot,
    RevertSnapshot,
    TakeSnapshot,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_wish import SnapshotWish
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan
from ansible_collections.hostler.libvirt.plugins.module_utils.snapshot import Snapshot
from tests.core.machines import FULL_RECORD, RECORD
from tests.core.snapshots import AROUND, NOW, external, internal, vm


def plan(present: list[Snapshot], machine: Any = None, **wish: Any) -> Plan:
    return plan_snapshot(machine or vm(), present, SnapshotWish(**wish), AROUND)


def taken(found: Plan) -> list[Snapshot]:
    return [step.operation.snapshot for step in found.steps if isinstance(step.operation, TakeSnapshot)]


def removed(found: Plan) -> list[str]:
    return [step.operation.name for step in found.steps if isinstance(step.operation, RemoveSnapshot)]


def series(*names: str, of: str | None = "nightly") -> list[Snapshot]:
    return [internal(name, created=NOW - 100 + index, series=of) for index, name in enumerate(names)]


def test_one_that_is_not_there_is_taken_and_shown() -> None:
    found = plan([internal("zero")], snapshot="one", description="why")

    (snapshot,) = taken(found)
    assert (snapshot.name, snapshot.description, snapshot.memory) == ("one", "why", "no")
    assert found.before == {"snapshots": ["zero"]}
    assert found.after == {
        "snapshots": ["zero", "one"],
        "taken": {
            "name": "one", "memory": False, "external": False, "quiesce": False, "description": "why", "disks": ["vda"],
        },
    }  # fmt: skip


def test_one_that_is_there_is_left_alone_whatever_the_vm_is_now() -> None:
    there = internal("one", series="s")

    assert not plan([there], snapshot="one", description="another").changed
    assert not plan([there], vm(status="saved"), snapshot="one", memory=False, external=False, series="s").changed


@pytest.mark.parametrize(
    ("there", "wish", "words"),
    [
        (internal("one"), {"memory": True}, "memory: snapshot 'one' is there already, without memory"),
        (internal("one", memory="internal"), {"memory": False}, "memory: snapshot 'one' is there already, with memory"),
        (internal("one"), {"external": True}, "external: snapshot 'one' is there already, without files"),
        (external("one"), {"external": False}, "external: snapshot 'one' is there already, with files"),
        (internal("one"), {"series": "s"}, "series: snapshot 'one' is there already, in no series"),
        (internal("one", series="t"), {"series": "s"}, "series: snapshot 'one' is there already, in series 't'"),
    ],
)
def test_one_of_another_kind_in_its_place_is_an_error(there: Snapshot, wish: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidSpec, match=re.escape(words)):
        plan([there], snapshot="one", **wish)


def test_one_without_a_name_is_called_by_the_time_and_never_like_another() -> None:
    name = "snapshot-20240506T070809Z"
    present: list[Snapshot] = []
    for expected in (name, f"{name}-2", f"{name}-3"):
        (snapshot,) = taken(plan(present))
        assert snapshot.name == expected
        present.append(snapshot)
    (snapshot,) = taken(plan(present, series="nightly"))
    assert (snapshot.name, snapshot.series) == ("nightly-20240506T070809Z", "nightly")


@pytest.mark.parametrize("name", ["a b", "-a", ".a", "a/b", "ü", "x" * 64, "a\n"])
def test_a_new_one_has_a_plain_name(name: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        plan([], snapshot=name)
    assert caught.value.field == "snapshot"


def test_the_newest_of_the_series_stay_and_those_of_others_do_in_any_case() -> None:
    others = [*series("weekly-1", of="weekly"), *series("nightly-by-hand", of=None)]
    present = [*others, *series("a", "b", "c")]

    found = plan(present, snapshot="d", series="nightly", keep=2)

    assert [snapshot.name for snapshot in taken(found)] == ["d"]
    assert removed(found) == ["a", "b"]
    assert found.before["snapshots"] == ["weekly-1", "nightly-by-hand", "a", "b", "c"]
    assert found.after["snapshots"] == ["weekly-1", "nightly-by-hand", "c", "d"]
    assert isinstance(found.steps[0].operation, TakeSnapshot)  # never fewer than are to be kept


def test_without_a_number_all_of_the_series_stay() -> None:
    assert removed(plan(series("a", "b", "c"), snapshot="d", series="nightly")) == []
    assert removed(plan(series("a", "b", "c"), snapshot="d", series="nightly", keep=4)) == []


def test_what_is_too_much_goes_also_when_nothing_is_taken_but_never_the_one_that_is_asked_for() -> None:
    present = series("a", "b", "c")

    assert removed(plan(present, snapshot="c", series="nightly", keep=1)) == ["a", "b"]
    assert removed(plan(present, snapshot="a", series="nightly", keep=1)) == ["b"]
    assert not plan(present[1:], snapshot="c", series="nightly", keep=2).changed


def test_what_can_not_be_removed_is_said_before_another_is_taken() -> None:
    old = internal("old", series="nightly", path="/disks/earlier")

    with pytest.raises(WrongState, match="VM must be stopped before its snapshot 'old'"):
        plan([old], vm(status="running"), snapshot="new", series="nightly", keep=1)


def test_one_goes_alone_or_with_all_that_came_after_it() -> None:
    present = [internal("a"), internal("b", "a"), internal("c", "b"), internal("d")]

    alone = plan(present, state="absent", snapshot="a")
    assert (removed(alone), alone.after) == (["a"], {"snapshots": ["b", "c", "d"]})
    assert removed(plan(present, state="absent", snapshot="a", children=True)) == ["c", "b", "a"]
    for children in (False, True):
        assert not plan(present, state="absent", snapshot="nobody", children=children).changed


def test_only_one_that_is_there_can_be_gone_back_to() -> None:
    with pytest.raises(SnapshotNotFound) as caught:
        plan([internal("a")], state="reverted", snapshot="b")
    assert (caught.value.code, caught.value.field) == ("snapshot_not_found", "snapshot")

    current = dataclasses.replace(internal("b"), current=True)
    found = plan([internal("a"), current], state="reverted", snapshot="a")
    assert isinstance(found.steps[0].operation, RevertSnapshot)
    assert (found.before["current"], found.after["current"]) == ("b", "a")


@pytest.mark.parametrize("state", ["present", "reverted", "absent"])
def test_a_vm_that_is_not_whole_is_left_alone(state: str) -> None:
    unfinished = vm(definition={"record": dataclasses.replace(RECORD, incomplete=FULL_RECORD.incomplete)})

    with pytest.raises(WrongState, match="is being created"):
        plan([internal("a")], unfinished, state=state, snapshot="a")
