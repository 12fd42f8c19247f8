# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody uses at a moment, made of what it had used so far at two."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ansible_collections.hostler.libvirt.plugins.module_utils.usage import HostUsage, Usage

_KIB_PER_MIB = 1024
_NANOSECONDS = 10**9


class Figures(NamedTuple):
    """A VM's, or a host's; None is what nobody could tell. They are stored in this order: new ones come last."""

    cpu_percent: float | None = None
    """Of its vCPUs, or of the host's CPUs; a little over 100 where QEMU itself works for the guest."""
    memory_mb: float | None = None
    """MiB that it has now."""
    memory_used_mb: float | None = None
    """MiB that it can't do without; of a VM, as its guest says."""
    memory_resident_mb: float | None = None
    """MiB that a VM takes of its host."""
    disk_read_bytes: float | None = None
    """Per second, as all that follow; a host's are the sum of those of its VMs."""
    disk_written_bytes: float | None = None
    disk_reads: float | None = None
    disk_writes: float | None = None
    network_received_bytes: float | None = None
    network_sent_bytes: float | None = None


_COUNTERS = ("read_bytes", "written_bytes", "read_requests", "write_requests", "received_bytes", "sent_bytes")
_SUMMED = Figures._fields[4:]


def figures_of(usage: Usage, before: Usage | None, seconds: float) -> Figures:
    """Of a VM that had used ``before`` that many seconds ago; where it was started meanwhile, no more than it has."""
    rates: list[float | None] = [None] * len(_COUNTERS)
    cpu_percent = None
    if before is not None and before.run == usage.run and seconds > 0:
        rates = [_rate(getattr(usage, name), getattr(before, name), seconds) for name in _COUNTERS]
        busy = _rate(usage.cpu_nanoseconds, before.cpu_nanoseconds, seconds)
        if busy is not None and usage.vcpus:
            cpu_percent = busy / _NANOSECONDS / usage.vcpus * 100
    memory = (_mib(usage.memory_kib), _mib(usage.memory_used_kib), _mib(usage.memory_resident_kib))
    return Figures(cpu_percent, *memory, *rates)


def figures_of_host(usage: HostUsage, before: HostUsage | None, machines: Iterable[Figures]) -> Figures:
    """Of a host with these VMs."""
    known = list(machines)
    sums = [_sum([getattr(one, name) for one in known]) for name in _SUMMED]
    return Figures(
        None if before is None else _busy_percent(usage.cpu_times, before.cpu_times),
        _mib(usage.memory_total_kib),
        _mib(usage.memory_used_kib),
        None,
        *sums,
    )


def _rate(now: int | None, before: int | None, seconds: float) -> float | None:
    # less than before: a disk or a card was taken away, or the guest was started again by somebody who says nothing
    return None if now is None or before is None or now < before else (now - before) / seconds


def _busy_percent(now: Mapping[str, int], before: Mapping[str, int]) -> float | None:
    passed = {name: now[name] - before[name] for name in now if name in before}
    whole = sum(passed.values())
    if whole <= 0 or min(passed.values()) < 0:
        return None  # nobody can tell, or it was booted meanwhile
    return (whole - passed.get("idle", 0) - passed.get("iowait", 0)) / whole * 100


def _mib(kib: int | None) -> float | None:
    return None if kib is None else kib / _KIB_PER_MIB


def _sum(values: Iterable[float | None]) -> float | None:
    told = [value for value in values if value is not None]
    return sum(told) if told else None
