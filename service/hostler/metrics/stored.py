# SPDX-License-Identifier: GPL-3.0-or-later
"""What the database knows, counted when Prometheus asks: some short queries, and no hypervisor is dialled."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from hostler.database import DatabaseUnavailable, rows
from hostler.hosts.models import ServerState
from hostler.hosts.watch import HostWatch
from hostler.services.alive import processes
from hostler.webhooks.models import Webhook
from hostler.webhooks.wanted import waiting_for

log = structlog.get_logger(__name__)

DEADLINE_SECONDS = 5
"""How long the database may take, in seconds; Prometheus itself gives up after ten unless it is told otherwise."""

_SERVERS = "SELECT id, hostname, enabled, state, last_seen FROM server"
_MACHINES = (
    "SELECT server.hostname AS hostname, vm.status AS status, COUNT(*) AS machines"
    " FROM vm JOIN server ON server.id = vm.server_id GROUP BY server.hostname, vm.status"
)
_DRIFTED = (
    "SELECT server.hostname AS hostname, COUNT(vm.id) AS machines FROM server"
    " LEFT JOIN vm ON vm.server_id = server.id AND vm.drift IS NOT NULL GROUP BY server.hostname"
)
# those that ended are counted as they end: a count of all rows would be the slower the longer the service is there
_JOBS = (
    "SELECT action, state, COUNT(*) AS jobs, MIN(created_at) AS oldest FROM job"
    " WHERE state IN ('queued', 'running') GROUP BY action, state"
)

DISABLED = "disabled"
"""The state of a server that is not watched, beside those of `ServerState`."""


class _Read(Collector):
    """What was just read, in the way the library asks for it."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


async def stored_registry(watch: HostWatch) -> CollectorRegistry:
    """Read the database and return a registry of what it has; without a database, of the fact that it is away.

    The ``watch`` knows what this process saw of the servers since the database was told of it.
    """
    registry = CollectorRegistry()
    available = GaugeMetricFamily(
        "hostler_database_up", "Whether the database answered when this was asked; if not, what it knows is missing"
    )
    families: list[Metric] = []
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            families = [*_of_servers(await rows(_SERVERS), watch), _of_machines(await rows(_MACHINES))]
            families.append(_of_drift(await rows(_DRIFTED)))
            families += [*_of_jobs(await rows(_JOBS)), await _of_webhooks(), await _of_services()]
    except (DatabaseUnavailable, TimeoutError) as error:
        log.warning("metrics.database_unavailable", reason=str(error) or f"no answer in {DEADLINE_SECONDS} s")
    available.add_metric((), float(bool(families)))
    registry.register(_Read([available, *families]))
    return registry


def _of_servers(found: Sequence[Any], watch: HostWatch) -> tuple[Metric, ...]:
    by_state = GaugeMetricFamily("hostler_servers", "Servers, by state", labels=("state",))
    up = GaugeMetricFamily(
        "hostler_server_up", "Whether a server that is watched is reachable: 1 or 0", labels=("server",)
    )
    lag = GaugeMetricFamily(
        "hostler_monitor_lag_seconds",
        "How long ago a server that is watched was last seen to be what the database says; none if it never was",
        labels=("server",),
    )
    watched = GaugeMetricFamily(
        "hostler_server_watched", "Whether this service watches a server: 1; else another does", labels=("server",)
    )
    now, last_seen = datetime.now(UTC), watch.last_seen()
    counted = dict.fromkeys([*(state.value for state in ServerState), DISABLED], 0)
    for row in found:
        counted[row["state"] if row["enabled"] else DISABLED] += 1
        if row["enabled"]:
            up.add_metric((row["hostname"],), float(row["state"] == ServerState.REACHABLE.value))
            if row["id"] in watch.watched:
                watched.add_metric((row["hostname"],), 1.0)
            seen = last_seen.get(row["id"], row["last_seen"])
            if seen is not None and row["id"] not in watch.elsewhere:  # whoever watches it knows better
                lag.add_metric((row["hostname"],), _seconds_since(seen, now))
    for state, number in counted.items():
        by_state.add_metric((state,), number)
    return by_state, up, lag, watched


def _of_machines(found: Sequence[Any]) -> Metric:
    machines = GaugeMetricFamily("hostler_vms", "VMs, by server and status", labels=("server", "status"))
    for row in found:
        machines.add_metric((row["hostname"], row["status"]), row["machines"])
    return machines


def _of_drift(found: Sequence[Any]) -> Metric:
    drifted = GaugeMetricFamily(
        "hostler_vms_drifted", "VMs that others have changed from what they were asked to be", labels=("server",)
    )
    for row in found:
        drifted.add_metric((row["hostname"],), row["machines"])
    return drifted


def _of_jobs(found: Sequence[Any]) -> tuple[Metric, Metric]:
    labels = ("action", "state")
    jobs = GaugeMetricFamily(
        "hostler_jobs", "Jobs that are queued or running, of all services on this database", labels=labels
    )
    oldest = GaugeMetricFamily(
        "hostler_job_oldest_seconds", "How long ago the oldest of these jobs was asked for", labels=labels
    )
    now = datetime.now(UTC)
    for row in found:
        jobs.add_metric((row["action"], row["state"]), row["jobs"])
        oldest.add_metric((row["action"], row["state"]), _seconds_since(row["oldest"], now))
    return jobs, oldest


def _seconds_since(moment: datetime | str, now: datetime) -> float:
    """SQLite has its times as texts."""
    then = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return max((now - then).total_seconds(), 0.0)


async def _of_services() -> Metric:
    services = GaugeMetricFamily("hostler_services", "Services on this database that are alive")
    services.add_metric((), len(await processes()))
    return services


async def _of_webhooks() -> Metric:
    oldest = GaugeMetricFamily(
        "hostler_webhook_oldest_undelivered_seconds",
        "Age of the oldest event that an enabled webhook has still to get; 0 where there is none",
        labels=("webhook",),
    )
    for webhook in await Webhook.filter(enabled=True).order_by("id"):
        event = await waiting_for(webhook).first()
        age = 0.0 if event is None else (datetime.now(UTC) - event.at).total_seconds()
        oldest.add_metric((str(webhook.id),), max(age, 0.0))
    return oldest
