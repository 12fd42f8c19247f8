# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's figures as plain data; those of a real guest are in actions/test_gather.py."""

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.statistics import answered, disk_sizes, statistics_of

DISKS = {
    "block.count": 3,
    "block.0.name": "vda",
    "block.0.capacity": 1024,
    "block.0.rd.bytes": 7,
    "block.1.name": "sda",
    "block.2.name": "vdb",
    "block.2.capacity": 0,
}


def test_a_disk_that_nobody_could_look_into_has_no_size() -> None:
    assert disk_sizes(DISKS) == {"vda": 1024, "vdb": 0}
    assert disk_sizes({}) == {}


def test_what_nobody_could_tell_is_none() -> None:
    told = statistics_of({**DISKS, "net.count": 2, "net.0.name": "vnet0", "net.0.rx.bytes": 5}, ["52:54:00:00:00:01"])

    assert told["cpu_seconds"] is None
    assert set(told["memory"].values()) == {None}
    assert [(disk["target"], disk["read_bytes"]) for disk in told["disks"]] == [
        ("vda", 7),
        ("sda", None),
        ("vdb", None),
    ]
    assert [(card["device"], card["mac_address"], card["received_bytes"]) for card in told["nics"]] == [
        ("vnet0", "52:54:00:00:00:01", 5),
        (None, None, None),
    ]


def test_processor_time_is_in_seconds() -> None:
    assert statistics_of({"cpu.time": 1_234_567_890}, [])["cpu_seconds"] == 1.235


@pytest.mark.parametrize(
    ("figures", "told"),
    [
        ({"balloon.current": 1, "balloon.rss": 2}, True),
        ({"balloon.current": 1, "block.count": 0}, False),
        ({"block.count": 1, "block.0.name": "vda", "block.0.rd.reqs": 0}, True),
        ({"block.count": 1, "block.0.name": "vda"}, False),
        ({"block.count": 0}, True),
        ({}, True),
    ],
)
def test_that_a_qemu_did_not_answer_is_seen(figures: dict[str, int], told: bool) -> None:
    assert answered(figures) is told
