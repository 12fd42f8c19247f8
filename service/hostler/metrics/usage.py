# SPDX-License-Identifier: GPL-3.0-or-later
"""What servers and their VMs use, as this process read it last: counters as libvirt has them, and what is there now.

A server or a VM whose newest reading is old is left out, rather than told of as if nothing happened there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ansible_collections.hostler.libvirt.plugins.module_utils.usage import Usage
from hostler.database import DatabaseUnavailable, rows
from hostler.metrics.stored import DEADLINE_SECONDS
from hostler.statistics.clock import Statistics
from hostler.statistics.host import Present

log = structlog.get_logger(__name__)

_SERVERS = "SELECT id, hostname FROM server"
_MACHINES = "SELECT id, name FROM vm WHERE status IN ('running', 'paused', 'suspended', 'stopping')"

_KIB = 1024
_NANOSECOND = 1e-9

_OF_VM: Sequence[
    tuple[type[CounterMetricFamily | GaugeMetricFamily], str, str, Callable[[Usage], int | None], float]
] = (
    (GaugeMetricFamily, "vcpus", "Its vCPUs", lambda one: one.vcpus, 1),
    (
        CounterMetricFamily,
        "cpu_seconds",
        "Processor time that it has taken",
        lambda one: one.cpu_nanoseconds,
        _NANOSECOND,
    ),
    (GaugeMetricFamily, "memory_bytes", "Memory that it has", lambda one: one.memory_kib, _KIB),
    (GaugeMetricFamily, "memory_used_bytes", "Of it, what its guest uses", lambda one: one.memory_used_kib, _KIB),
    (
        GaugeMetricFamily,
        "memory_resident_bytes",
        "Memory that it takes of its server",
        lambda one: one.memory_resident_kib,
        _KIB,
    ),
    (CounterMetricFamily, "disk_read_bytes", "Read from its disks", lambda one: one.read_bytes, 1),
    (CounterMetricFamily, "disk_written_bytes", "Written to its disks", lambda one: one.written_bytes, 1),
    (CounterMetricFamily, "disk_reads", "Requests to read from its disks", lambda one: one.read_requests, 1),
    (CounterMetricFamily, "disk_writes", "Requests to write to its disks", lambda one: one.write_requests, 1),
    (CounterMetricFamily, "network_received_bytes", "Received by its cards", lambda one: one.received_bytes, 1),
    (CounterMetricFamily, "network_sent_bytes", "Sent by its cards", lambda one: one.sent_bytes, 1),
)
"""Each family of a VM's: its kind, its name, what it is, where it stands in what was read, and its unit there."""


async def usage_registry(statistics: Statistics, per_vm: bool) -> CollectorRegistry:
    """Return a registry of what is known of each server, and with ``per_vm`` of each VM that runs.

    Without a database it is empty, as nobody knows the names then.
    """
    registry = CollectorRegistry()
    names: dict[int, str] = {}
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            servers = {row["id"]: row["hostname"] for row in await rows(_SERVERS)}
            if per_vm:
                names = {row["id"]: row["name"] for row in await rows(_MACHINES)}
    except (DatabaseUnavailable, TimeoutError) as error:
        log.warning("metrics.database_unavailable", reason=str(error) or f"no answer in {DEADLINE_SECONDS} s")
        return registry
    known = [(server, statistics.now(server_id)) for server_id, server in servers.items()]
    registry.register(_InUse([(server, present) for server, present in known if present is not None], names, per_vm))
    return registry


class _InUse(Collector):
    """Makes families of what was read when they are asked for, in whatever thread."""

    def __init__(self, found: Sequence[tuple[str, Present]], names: Mapping[int, str], per_vm: bool) -> None:
        self._found = found
        self._names = names
        self._per_vm = per_vm

    def collect(self) -> Iterable[Metric]:
        """Make them."""
        yield from _of_servers(self._found)
        if self._per_vm:
            yield from _of_machines(self._found, self._names)


def _of_servers(found: Sequence[tuple[str, Present]]) -> list[Metric]:
    age = GaugeMetricFamily(
        "hostler_statistics_age_seconds", "How long ago what a server uses was read", labels=("server",)
    )
    cpu = CounterMetricFamily(
        "hostler_server_cpu_seconds", "Processor time of all of its CPUs together", labels=("server", "mode")
    )
    memory = GaugeMetricFamily("hostler_server_memory_bytes", "Its memory", labels=("server",))
    used = GaugeMetricFamily(
        "hostler_server_memory_used_bytes", "Of it, what is in use, buffers and caches apart", labels=("server",)
    )
    labels = ("server", "pool")
    capacity = GaugeMetricFamily("hostler_pool_capacity_bytes", "What an active storage pool holds", labels=labels)
    free = GaugeMetricFamily("hostler_pool_free_bytes", "What is free of it", labels=labels)
    now = time.time()
    for server, present in found:
        age.add_metric((server,), max(now - present.at, 0.0))
        for mode, nanoseconds in present.usage.cpu_times.items():
            cpu.add_metric((server, mode), nanoseconds * _NANOSECOND)
        _add(memory, (server,), present.usage.memory_total_kib, _KIB)
        _add(used, (server,), present.usage.memory_used_kib, _KIB)
        for pool, space in present.usage.pools.items():
            capacity.add_metric((server, pool), space.capacity)
            free.add_metric((server, pool), space.available)
    return [age, cpu, memory, used, capacity, free]


def _of_machines(found: Sequence[tuple[str, Present]], names: Mapping[int, str]) -> Iterable[Metric]:
    for kind, name, what, figure, unit in _OF_VM:
        family = kind(f"hostler_vm_{name}", what, labels=("server", "id", "name"))
        for server, present in found:
            for vm_id, usage in present.machines.items():
                if vm_id in names:
                    _add(family, (server, str(vm_id), names[vm_id]), figure(usage), unit)
        yield family


def _add(
    family: CounterMetricFamily | GaugeMetricFamily, labels: Sequence[str], value: float | None, unit: float
) -> None:
    if value is not None:
        family.add_metric(labels, value * unit)
