# SPDX-License-Identifier: GPL-3.0-or-later
"""Rates from counters, and what becomes of counters that begin anew."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.usage import HostUsage, Usage
from hostler.statistics.figures import Figures, figures_of, figures_of_host

USAGE = Usage(
    run=7,
    vcpus=2,
    memory_kib=131072,
    memory_used_kib=65536,
    memory_resident_kib=98304,
    cpu_nanoseconds=10 * 10**9,
    read_bytes=1000,
    written_bytes=2000,
    read_requests=10,
    write_requests=20,
    received_bytes=300,
    sent_bytes=400,
)
MEMORY = {"memory_mb": 128.0, "memory_used_mb": 64.0, "memory_resident_mb": 96.0}


def later(**changed: Any) -> Usage:
    return USAGE._replace(**changed)


def known(figures: Figures) -> dict[str, float]:
    return {name: value for name, value in figures._asdict().items() if value is not None}


def test_what_was_used_between_two_readings_is_a_rate() -> None:
    after = later(
        cpu_nanoseconds=25 * 10**9,
        read_bytes=6000,
        written_bytes=2000,
        read_requests=35,
        write_requests=120,
        received_bytes=10_300,
        sent_bytes=500,
    )

    assert known(figures_of(after, USAGE, 10.0)) == MEMORY | {
        "cpu_percent": pytest.approx(75),  # 15 of the 20 seconds that two vCPUs had
        "disk_read_bytes": 500,
        "disk_written_bytes": 0,
        "disk_reads": 2.5,
        "disk_writes": 10,
        "network_received_bytes": 1000,
        "network_sent_bytes": 10,
    }


def test_a_first_reading_knows_memory_only() -> None:
    assert known(figures_of(USAGE, None, 15.0)) == MEMORY


def test_a_vm_that_was_started_anew_has_no_rates_even_if_it_has_used_more_than_before() -> None:
    assert known(figures_of(later(run=8, cpu_nanoseconds=10**12, read_bytes=10**9), USAGE, 15.0)) == MEMORY


def test_a_counter_that_went_back_has_no_rate_and_the_others_have() -> None:
    found = figures_of(later(read_bytes=10, written_bytes=3500), USAGE, 15.0)

    assert (found.disk_read_bytes, found.disk_written_bytes, found.disk_reads) == (None, 100, 0)


def test_what_nobody_could_tell_is_none_and_no_zero() -> None:
    nothing = Usage(1, *[None] * (len(Usage._fields) - 1))

    assert known(figures_of(nothing, nothing, 15.0)) == {}
    assert figures_of(later(vcpus=None), USAGE, 15.0).cpu_percent is None
    assert known(figures_of(USAGE, USAGE, 0.0)) == MEMORY


def test_a_host_is_busy_with_all_but_idling_and_waiting_and_its_vms_rates_are_summed() -> None:
    before = HostUsage({"user": 10, "kernel": 20, "idle": 100, "iowait": 5}, 4096, 1024, {})
    after = HostUsage({"user": 40, "kernel": 40, "idle": 140, "iowait": 15}, 4096, 2048, {})
    machines = [Figures(cpu_percent=50, disk_reads=3), Figures(cpu_percent=20, disk_reads=4.5), Figures()]

    assert known(figures_of_host(after, before, machines)) == {
        "cpu_percent": 50,
        "memory_mb": 4,
        "memory_used_mb": 2,
        "disk_reads": 7.5,
    }


@pytest.mark.parametrize("times", [{}, {"user": 1, "kernel": 1, "idle": 1, "iowait": 0}])
def test_a_host_that_can_not_tell_or_was_booted_meanwhile_has_no_share(times: dict[str, int]) -> None:
    before = HostUsage({"user": 10, "kernel": 20, "idle": 100, "iowait": 5}, None, None, {})

    assert figures_of_host(before._replace(cpu_times=times), before, []) == Figures()
