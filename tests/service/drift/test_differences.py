# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between what a VM was asked to be and what it is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostler.drift.differences import differences

ASKED: dict[str, Any] = {
    "name": "web-1",
    "cpu_cores": 2,
    "memory_mb": 1024,
    "disk_gb": 10.0,
    "network_config": {"type": "nat", "model": "virtio"},
}
ACTUAL: dict[str, Any] = {
    **ASKED,
    "firmware": "bios",
    "machine": "pc-q35-7.2",
    "max_cpu_cores": 8,
    "vnc_enabled": True,
    "network_config": {"type": "nat", "model": "virtio", "network_name": "default", "mac_address": "52:54:00:00:00:01"},
}


def test_what_nobody_asked_for_is_no_difference() -> None:
    assert differences(ASKED, ACTUAL) == []


def test_of_a_vm_that_nobody_asked_anything_of_nothing_differs() -> None:
    assert differences({}, ACTUAL) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", "other"),
        ("cpu_cores", 4),
        ("memory_mb", 512),
        ("disk_gb", 20.0),
        ("firmware", "uefi"),
        ("autostart", True),
        ("tpm", True),
    ],
)
def test_each_field_that_is_another_is_told_with_both_values(name: str, value: Any) -> None:
    (found,) = differences(ASKED, {**ACTUAL, name: value})

    before = ASKED.get(name, {"firmware": "bios"}.get(name, False))
    assert found == {"field": name, "asked": before, "actual": value}


def test_a_balloon_that_leaves_a_vm_less_than_its_memory_is_told_until_that_is_what_was_asked() -> None:
    shrunk = {**ACTUAL, "current_memory_mb": 256}

    assert differences(ASKED, shrunk) == [{"field": "current_memory_mb", "asked": 1024, "actual": 256}]
    assert differences({**ASKED, "current_memory_mb": 256}, shrunk) == []
    assert differences({**ASKED, "current_memory_mb": 256}, ACTUAL) == [
        {"field": "current_memory_mb", "asked": 256, "actual": 1024}
    ]


def test_a_display_that_was_asked_for_by_name_is_missed() -> None:
    assert differences({**ASKED, "vnc_enabled": True}, {**ACTUAL, "vnc_enabled": False}) == [
        {"field": "vnc_enabled", "asked": True, "actual": False}
    ]


def test_of_the_card_only_what_was_asked_is_compared() -> None:
    asked = {**ASKED, "network_config": {"type": "bridge", "bridge_name": "br0", "mac_address": "52:54:00:AA:00:01"}}
    card = {"type": "bridge", "bridge_name": "br1", "mac_address": "52:54:00:aa:00:01", "model": "e1000"}

    assert differences(asked, {**ACTUAL, "network_config": card}) == [
        {"field": "network_config.bridge_name", "asked": "br0", "actual": "br1"}
    ]


def test_a_card_that_is_gone_is_of_another_type() -> None:
    found = differences(ASKED, {**ACTUAL, "network_config": {"type": "none"}})

    assert [one["field"] for one in found] == ["network_config.type", "network_config.model"]


def test_a_network_that_is_the_servers_own_is_the_one_that_was_asked_for_by_name() -> None:
    asked = {**ASKED, "network_config": {"type": "network", "network_name": "default"}}

    assert differences(asked, ACTUAL) == []


@given(st.integers(min_value=1, max_value=64 * 1024 * 1024))
def test_a_disk_shows_the_size_that_it_was_asked_for_however_that_is_rounded(mib: int) -> None:
    asked = mib / 1024

    assert differences({**ASKED, "disk_gb": asked}, {**ACTUAL, "disk_gb": round(asked, 3)}) == []
