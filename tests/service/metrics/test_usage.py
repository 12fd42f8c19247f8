# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus is told of what servers and VMs use, of how old that is, and of jobs that wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fastapi import FastAPI

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.measure import Measured
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.pool import PoolSpace
from ansible_collections.hostler.libvirt.plugins.module_utils.usage import HostUsage, Usage
from hostler.hosts.models import Server, ServerState
from hostler.jobs.models import Executor, Job, JobState
from hostler.machines.models import Machine, MachineStatus
from hostler.metrics import usage
from hostler.metrics.usage import usage_registry
from hostler.statistics.clock import Statistics
from hostler.statistics.history import History
from hostler.statistics.host import HostStatistics
from hostler.statistics.patient import Reading
from tests.service.machines.lab_service import engine_of, eventually
from tests.service.metrics.test_routes import make_machine, nearby, scrape, value

__all__ = ["nearby"]

pytestmark = pytest.mark.anyio

HOST = HostUsage({"user": 2 * 10**9, "idle": 5 * 10**9}, 4096, 1024, {"default": PoolSpace(1000, 250)})
USAGE = Usage(1, 2, 2048, None, 1024, 3 * 10**9, 11, 12, 13, 14, 15, 16)
NASTY = 'a "name"\\ with\nall'


@pytest.fixture
async def app(app: FastAPI) -> AsyncIterator[FastAPI]:
    """The service, which reads nothing by itself in these tests."""
    await engine_of(app).statistics.close()
    yield app


async def taken(app: FastAPI, age: float = 0.0, name: str = "web") -> Machine:
    """A VM that runs on a server of which a reading was taken that many seconds ago."""
    server = await Server.create(
        hostname="kvm-1", libvirt_uri="test:///nowhere", state=ServerState.REACHABLE.value, last_seen=datetime.now(UTC)
    )
    machine = await make_machine(server, name, MachineStatus.RUNNING)
    statistics = engine_of(app).statistics
    host = HostStatistics(server.id, 15, History(statistics.resolutions))
    unknown = Usage(1, *[None] * (len(Usage._fields) - 1))
    measured = Measured(HOST, {machine.uuid: USAGE, "a stranger's": unknown})
    host.take(Reading(measured, time.monotonic()), {machine.uuid: machine.id}, time.time() - age)
    statistics._hosts[server.id] = host
    statistics._readings[server.id] = asyncio.create_task(asyncio.sleep(0))  # as one that is read has
    return machine


@pytest.mark.rule("metrics")
async def test_a_server_and_its_vms_tell_their_counters_in_prometheus_units(
    app: FastAPI, nearby: httpx.AsyncClient
) -> None:
    machine = await taken(app, name=NASTY)
    samples = await scrape(nearby)
    labels = frozenset({"server": "kvm-1", "id": str(machine.id), "name": NASTY}.items())
    of_vm = {name.removeprefix("hostler_vm_"): value for (name, those), value in samples.items() if those == labels}

    assert of_vm == {
        "vcpus": 2,
        "cpu_seconds_total": pytest.approx(3),
        "memory_bytes": 2048 * 1024,
        "memory_resident_bytes": 1024 * 1024,  # what its guest uses nobody could tell
        "disk_read_bytes_total": 11,
        "disk_written_bytes_total": 12,
        "disk_reads_total": 13,
        "disk_writes_total": 14,
        "network_received_bytes_total": 15,
        "network_sent_bytes_total": 16,
    }
    assert len([name for name, _ in samples if name == "hostler_vm_vcpus"]) == 1

    assert value(samples, "hostler_server_cpu_seconds_total", server="kvm-1", mode="user") == pytest.approx(2)
    assert value(samples, "hostler_server_cpu_seconds_total", server="kvm-1", mode="idle") == pytest.approx(5)
    assert value(samples, "hostler_server_memory_bytes", server="kvm-1") == 4096 * 1024
    assert value(samples, "hostler_server_memory_used_bytes", server="kvm-1") == 1024 * 1024
    assert value(samples, "hostler_pool_capacity_bytes", server="kvm-1", pool="default") == 1000
    assert value(samples, "hostler_pool_free_bytes", server="kvm-1", pool="default") == 250
    assert ("hostler_statistics_age_seconds", frozenset({("server", "kvm-1")})) in samples


async def test_without_the_setting_vms_are_left_out_and_servers_are_not(
    app: FastAPI, nearby: httpx.AsyncClient
) -> None:
    await taken(app)
    engine = engine_of(app)
    engine.settings = engine.settings.model_copy(update={"metrics_per_vm": False})
    samples = await scrape(nearby)

    assert not any(name.startswith("hostler_vm_") for name, _ in samples)
    assert value(samples, "hostler_server_memory_bytes", server="kvm-1") > 0


async def test_an_old_reading_is_not_told_as_if_it_were_the_present(app: FastAPI, nearby: httpx.AsyncClient) -> None:
    await taken(app, age=61)
    samples = await scrape(nearby)

    assert not any(name.startswith(("hostler_vm_", "hostler_server_memory", "hostler_pool")) for name, _ in samples)


async def test_how_long_a_watched_server_was_not_seen_is_told(app: FastAPI, nearby: httpx.AsyncClient) -> None:
    seen = datetime.now(UTC) - timedelta(seconds=500)
    await Server.create(hostname="gone", libvirt_uri="test:///nowhere", last_seen=seen)
    await Server.create(hostname="new", libvirt_uri="test:///nowhere2")
    await Server.create(hostname="off", libvirt_uri="test:///nowhere3", last_seen=seen, enabled=False)
    samples = await scrape(nearby)

    assert value(samples, "hostler_monitor_lag_seconds", server="gone") >= 500
    lagging = [dict(labels)["server"] for name, labels in samples if name == "hostler_monitor_lag_seconds"]
    assert lagging == ["gone"]


async def test_a_server_that_is_in_sight_was_seen_later_than_the_database_was_told(
    app: FastAPI, nearby: httpx.AsyncClient
) -> None:
    long_ago = datetime.now(UTC) - timedelta(seconds=500)
    server = await Server.create(hostname="there", libvirt_uri="test:///default", last_seen=long_ago)
    await engine_of(app).watch.call_roll()

    async def is_seen() -> bool:
        return server.id in engine_of(app).watch.last_seen()

    await eventually(is_seen, "the server is in sight", 30)
    await Server.filter(id=server.id).update(last_seen=long_ago)
    samples = await scrape(nearby)

    assert value(samples, "hostler_monitor_lag_seconds", server="there") < 400


async def test_how_long_the_oldest_job_waits_is_told(app: FastAPI, nearby: httpx.AsyncClient) -> None:
    for age in (30, 90):
        # of a newer service: nobody here takes it up
        job = await Job.create(action="vm_rest", executor=Executor.DIRECT.value, state=JobState.QUEUED.value)
        await Job.filter(id=job.id).update(created_at=datetime.now(UTC) - timedelta(seconds=age))
    samples = await scrape(nearby)

    assert value(samples, "hostler_job_oldest_seconds", action="vm_rest", state="queued") >= 90
    assert value(samples, "hostler_jobs", action="vm_rest", state="queued") == 2


async def test_while_the_database_does_not_answer_nothing_is_told_of_what_they_use(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    await taken(app)
    statistics: Statistics = engine_of(app).statistics
    monkeypatch.setattr(usage, "DEADLINE_SECONDS", 0)

    assert list((await usage_registry(statistics, per_vm=True)).collect()) == []
