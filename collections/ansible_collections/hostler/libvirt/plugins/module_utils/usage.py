# SPDX-License-Identifier: GPL-3.0-or-later
"""What a VM that runs has used since it was started, all of its disks and cards together, and what a host has."""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.pool import PoolSpace


class Usage(NamedTuple):
    """One VM's, by libvirt's names and units where they are its own; None is what nobody could tell.

    All but the first two lines count up for as long as the VM runs, and less of them than before means that something
    began anew: the VM, or a disk or a card that was changed.
    """

    run: int
    """libvirt's number of this run."""
    vcpus: Optional[int]
    memory_kib: Optional[int]
    """What the balloon gives it now."""
    memory_used_kib: Optional[int]
    """What the guest itself can't do without; only a guest whose balloon driver tells."""
    memory_resident_kib: Optional[int]
    """What its QEMU takes of the host's memory."""
    cpu_nanoseconds: Optional[int]
    read_bytes: Optional[int]
    written_bytes: Optional[int]
    read_requests: Optional[int]
    write_requests: Optional[int]
    received_bytes: Optional[int]
    sent_bytes: Optional[int]


class HostUsage(NamedTuple):
    """What of a host is in use; an empty dictionary, or None, is what its driver can't tell."""

    cpu_times: Mapping[str, int]
    """Nanoseconds of all CPUs together in ``user``, ``kernel``, ``idle`` and ``iowait`` since it was booted."""
    memory_total_kib: Optional[int]
    memory_used_kib: Optional[int]
    """Without what its kernel would give away at once: buffers and caches."""
    pools: Mapping[str, PoolSpace]
    """What its active storage pools hold, and have free."""


def usage_of(run: int, figures: Mapping[str, Any]) -> Usage:
    """From libvirt's figures of one domain (`virConnectGetAllDomainStats`)."""
    return Usage(
        run=run,
        vcpus=figures.get("vcpu.current"),
        memory_kib=figures.get("balloon.current"),
        memory_used_kib=_used_by_guest(figures),
        memory_resident_kib=figures.get("balloon.rss"),
        cpu_nanoseconds=figures.get("cpu.time"),
        read_bytes=_sum(figures, "block", "rd.bytes"),
        written_bytes=_sum(figures, "block", "wr.bytes"),
        read_requests=_sum(figures, "block", "rd.reqs"),
        write_requests=_sum(figures, "block", "wr.reqs"),
        received_bytes=_sum(figures, "net", "rx.bytes"),
        sent_bytes=_sum(figures, "net", "tx.bytes"),
    )


def used_of_host(memory: Mapping[str, int]) -> Optional[int]:
    """KiB that are in use of what libvirt says of a host's memory (`virNodeGetMemoryStats`)."""
    if "total" not in memory or "free" not in memory:
        return None
    return memory["total"] - memory["free"] - memory.get("buffers", 0) - memory.get("cached", 0)


def _used_by_guest(figures: Mapping[str, Any]) -> Optional[int]:
    available = figures.get("balloon.available")
    # an older guest says only what nobody touches, its caches not among it
    spare = figures.get("balloon.usable", figures.get("balloon.unused"))
    return None if available is None or spare is None else max(available - spare, 0)


def _sum(figures: Mapping[str, Any], group: str, name: str) -> Optional[int]:
    """Of all disks or cards that tell it; 0 of a VM without any, None if there are some and none tells it."""
    count = figures.get(f"{group}.count")
    if count is None:
        return None
    values = [figures.get(f"{group}.{index}.{name}") for index in range(count)]
    told = [value for value in values if value is not None]
    return sum(told) if told or not count else None
