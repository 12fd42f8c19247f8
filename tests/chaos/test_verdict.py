# SPDX-License-Identifier: GPL-3.0-or-later
"""What the verdict of a run finds: a check that finds nothing proves nothing."""

from __future__ import annotations

from typing import Any

import pytest

from chaos.listener import Heard
from chaos.verdict import differences, wrong_events

VM = {"id": 7, "name": "web", "status": "stopped", "updated_at": "2026-01-01T00:00:00Z"}
RUNNING = {**VM, "status": "running", "updated_at": "2026-01-01T00:01:00Z"}
HEARD = [Heard(1, "vm.created", VM), Heard(2, "vm.changed", RUNNING), Heard(3, "job.changed", {"id": 1})]


def test_events_that_came_once_in_order_and_say_something_new_are_right() -> None:
    assert wrong_events(HEARD, [1, 2, 3], [RUNNING]) == []


@pytest.mark.parametrize(
    ("heard", "shown", "says"),
    [
        (HEARD[:2], [RUNNING], "event 3 was lost"),
        ([*HEARD, HEARD[2]], [RUNNING], "event 3 came twice"),
        ([*HEARD, Heard(4, "job.changed", {"id": 1})], [RUNNING], "event 4 was never written"),
        ([HEARD[0], HEARD[2], HEARD[1]], [RUNNING], "events came in another order than that of their ids"),
        ([HEARD[0], Heard(2, "vm.created", VM), HEARD[2]], [VM], "VM 7 was created twice: event 2"),
        ([Heard(1, "vm.changed", VM), *HEARD[1:]], [RUNNING], "VM 7 vm.changed, and is not there: event 1"),
        (
            [HEARD[0], Heard(2, "vm.changed", {**VM, "updated_at": "later"}), HEARD[2]],
            [VM],
            "VM 7 has not changed: events 1 and 2 say the same",
        ),
        (HEARD, [VM], "VM 7 is not what its last event says"),
        (HEARD, [RUNNING, {**VM, "id": 8}], "VM 8 is there, and no event says so"),
        (HEARD, [], "VM 7 is gone, and no event says so"),
    ],
)
def test_an_event_that_is_wrong_is_told(heard: list[Heard], shown: list[dict[str, Any]], says: str) -> None:
    assert wrong_events(heard, [1, 2, 3], shown) == [says]


class NodeOfItsOwn:
    """As much of a host as the verdict asks for: libvirt's test driver, with its one domain, "test", that runs."""

    name = "host1"
    uri = "test:///default"


TRUE = {
    "name": "test",
    "uuid": "6695eb01-f6a4-8304-79aa-97f2502e193f",
    "status": "running",
    "resources": {"memory_mb": 8192},
    "autostart": False,
}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, []),
        ({"status": "stopped"}, ["host1: test: status is 'running', and shown as 'stopped'"]),
        ({"autostart": True}, ["host1: test: autostart is False, and shown as True"]),
        ({"name": "other"}, ["host1: test: name is 'test', and shown as 'other'"]),
        ({"resources": {"memory_mb": 1}}, ["host1: test: memory_mb is 8192, and shown as 1"]),
    ],
)
def test_a_vm_that_is_shown_as_what_it_is_not_is_told(change: dict[str, Any], says: list[str]) -> None:
    assert differences(NodeOfItsOwn(), [{**TRUE, **change}]) == says


def test_a_vm_too_many_and_one_too_few_are_told() -> None:
    other = {**TRUE, "uuid": "0d9c8b7a-1111-4222-8333-944455566677", "name": "lost"}

    assert differences(NodeOfItsOwn(), [TRUE, other]) == ["host1: lost is shown, and is not there"]
    assert differences(NodeOfItsOwn(), []) == ["host1: test is there, and is not shown"]


def test_one_that_others_removed_is_shown_as_an_error_and_is_right() -> None:
    gone = {**TRUE, "uuid": "0d9c8b7a-1111-4222-8333-944455566677", "status": "error"}

    assert differences(NodeOfItsOwn(), [TRUE, gone]) == []
