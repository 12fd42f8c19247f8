# SPDX-License-Identifier: GPL-3.0-or-later
"""When definitions are read again: all in their turn, a part at a time, and no more than so many a second."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from hostler.hosts.rereading import Clock, Rereading

TEN = [f"one-of-ten-{number}" for number in range(10)]


def due(rereading: Rereading, there: list[str]) -> list[str]:
    """Those that are to be read now."""
    return rereading.take(there) if rereading.is_due(len(there)) else []


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Have so many seconds pass."""
    now = 1_000_000.0

    def wait(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr("hostler.hosts.rereading.time.monotonic", lambda: now)
    return wait


def test_definitions_are_read_a_fifth_at_a_time_and_each_in_its_turn(passed: Callable[[float], None]) -> None:
    rereading = Rereading(1, Clock(resync=10, reread=5000), {})
    parts = []
    for _ in range(5):
        passed(1001)
        parts.append(due(rereading, TEN))
        assert due(rereading, TEN) == [], "the next is not due yet"

    assert [len(part) for part in parts] == [2] * 5
    assert set(itertools.chain.from_iterable(parts)) == set(TEN)


def test_with_more_vms_than_can_be_read_in_that_time_it_takes_longer(passed: Callable[[float], None]) -> None:
    others = dict.fromkeys(range(2, 252), 400)  # 100,000 VMs: 2,500 s at 40 a second
    rereading = Rereading(1, Clock(resync=30, reread=600), others)
    passed(121)
    assert due(rereading, TEN) == []
    read = []
    for _ in range(20):
        passed(125.1)
        read.append(len(due(rereading, TEN)))
    assert sum(read) == 10

    others.clear()
    passed(121)
    assert len(due(rereading, TEN)) == 2


def test_those_that_are_other_than_before_are_to_be_looked_at(passed: Callable[[float], None]) -> None:
    rereading = Rereading(1, Clock(resync=1, reread=5), {})
    rereading.saw({"same": 1, "other": 2})

    assert rereading.redefined({"same": 1, "other": 3, "never seen": 4}) == ["other", "never seen"]
    assert rereading.redefined({"same": 1, "other": 3, "never seen": 4}) == []


def test_what_has_gone_is_forgotten(passed: Callable[[float], None]) -> None:
    rereading = Rereading(1, Clock(resync=1, reread=5), {})
    rereading.saw({"gone": 1, "stays": 2})
    passed(5)
    due(rereading, ["stays"])

    assert rereading.redefined({"gone": 1, "stays": 2}) == ["gone"]


def test_a_host_that_is_watched_no_more_counts_no_more(passed: Callable[[float], None]) -> None:
    vms: dict[int, int] = {}
    rereading = Rereading(1, Clock(resync=1, reread=5), vms)
    due(rereading, TEN)
    assert vms == {1: 10}

    rereading.end()

    assert vms == {}
