# SPDX-License-Identifier: GPL-3.0-or-later
"""What one host's readings come to, one after the other."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.measure import Measured
from ansible_collections.hostler.libvirt.plugins.module_utils.usage import HostUsage, Usage
from hostler.statistics.history import History
from hostler.statistics.host import HostStatistics
from hostler.statistics.patient import Reading
from hostler.statistics.resolution import resolutions
from hostler.statistics.round import HOST

BEGIN = 1_700_000_100
NOTHING = Usage(1, *[None] * (len(Usage._fields) - 1))


@pytest.fixture
def host() -> HostStatistics:
    return HostStatistics(1, 15, History(resolutions(15)))


def take(host: HostStatistics, at: float, machines: dict[str, Usage], ids: dict[str, int]) -> None:
    measured = Measured(HostUsage({"user": int(at), "idle": 3 * int(at)}, None, None, {}), machines)
    host.take(Reading(measured, at), ids, BEGIN + at)


def figure(host: HostStatistics, vm_id: int, name: str) -> Any:
    assert host._present is not None
    return getattr(host._present.figures[vm_id], name)


def read(count: int) -> Usage:
    return NOTHING._replace(read_bytes=count)


def test_each_reading_is_held_against_the_one_before(host: HostStatistics) -> None:
    ids = {"a": 7, "b": 8}
    take(host, 15, {"a": read(0), "b": read(100)}, ids)
    assert figure(host, 7, "disk_read_bytes") is None
    take(host, 30, {"a": read(150), "b": read(100)}, ids)

    assert (figure(host, 7, "disk_read_bytes"), figure(host, 8, "disk_read_bytes")) == (10, 0)
    assert figure(host, HOST, "disk_read_bytes") == 10
    assert figure(host, HOST, "cpu_percent") == 25


def test_a_vm_that_nobody_knows_yet_is_left_out_and_one_that_has_ended_is_gone(host: HostStatistics) -> None:
    take(host, 15, {"a": read(0), "stranger": read(0)}, {"a": 7})
    assert host._present is not None
    assert set(host._present.figures) == {HOST, 7}
    take(host, 30, {}, {"a": 7})
    assert set(host._present.figures) == {HOST}


def test_what_was_used_while_nobody_could_look_is_not_what_is_used_now(host: HostStatistics) -> None:
    take(host, 15, {"a": read(0)}, {"a": 7})
    take(host, 3615, {"a": read(10**9)}, {"a": 7})
    assert figure(host, 7, "disk_read_bytes") is None

    take(host, 3630, {"a": read(10**9 + 150)}, {"a": 7})
    assert figure(host, 7, "disk_read_bytes") == 10


def test_a_reading_that_is_old_is_not_the_present(host: HostStatistics) -> None:
    take(host, 15, {"a": read(0)}, {"a": 7})

    assert host.now() is None
