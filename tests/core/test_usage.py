# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt's figures say that somebody has used; those of a real guest are in actions/test_measure.py."""

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.usage import Usage, usage_of, used_of_host

FIGURES = {
    "cpu.time": 5_000,
    "vcpu.current": 2,
    "balloon.current": 2048,
    "balloon.rss": 1024,
    "block.count": 2,
    "block.0.rd.bytes": 10,
    "block.0.wr.reqs": 3,
    "block.1.rd.bytes": 32,
    "net.count": 2,
    "net.0.rx.bytes": 5,
    "net.1.rx.bytes": 7,
}


def test_disks_and_cards_are_counted_together_and_what_nobody_tells_is_none() -> None:
    assert usage_of(4, FIGURES) == Usage(
        run=4,
        vcpus=2,
        memory_kib=2048,
        memory_used_kib=None,
        memory_resident_kib=1024,
        cpu_nanoseconds=5_000,
        read_bytes=42,
        written_bytes=None,
        read_requests=None,
        write_requests=3,
        received_bytes=12,
        sent_bytes=None,
    )
    assert usage_of(1, {}) == Usage(1, *[None] * (len(Usage._fields) - 1))


def test_a_vm_without_disks_has_read_nothing() -> None:
    assert usage_of(1, {"block.count": 0, "net.count": 0})[6:] == (0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("said", "used"),
    [
        ({"available": 100, "unused": 30}, 70),
        ({"available": 100, "unused": 30, "usable": 60}, 40),
        ({"available": 100, "usable": 120}, 0),
        ({"available": 100}, None),
        ({"usable": 60}, None),
    ],
)
def test_a_guest_uses_what_is_not_usable(said: dict[str, int], used: int | None) -> None:
    figures = {f"balloon.{name}": value for name, value in said.items()}

    assert usage_of(1, figures).memory_used_kib == used


def test_a_host_uses_neither_buffers_nor_caches() -> None:
    assert used_of_host({"total": 100, "free": 20, "buffers": 5, "cached": 40}) == 35
    assert used_of_host({"total": 100, "free": 20}) == 80
    assert used_of_host({}) is None
