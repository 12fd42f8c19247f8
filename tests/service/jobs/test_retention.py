# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that ended long ago are forgotten, with all that is theirs; none that somebody may still need."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from hostler.events.retention import Retention, forgetting
from hostler.hosts.models import Server
from hostler.images.models import UploadMark
from hostler.jobs.idempotency import Attempt
from hostler.jobs.models import Job, JobLog, JobStep
from hostler.jobs.retention import prune_jobs
from hostler.machines.leftovers import left_disks
from hostler.machines.models import Machine
from hostler.permission import Caller, Credential, Permission
from hostler.settings import Settings
from tests.service.conftest import Headers
from tests.service.machines.lab_service import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("app")]

LONG_AGO = datetime.now(UTC) - timedelta(days=91)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A service that forgets no jobs beside the tests."""
    return settings.model_copy(update={"job_retention_days": 0})


async def job(action: str = "vm_start", state: str = "succeeded", at: datetime = LONG_AGO, **fields: Any) -> Job:
    """A job that was asked for, and ended, at that time, with a step and three lines."""
    made = await Job.create(action=action, executor="direct", state=state, finished_at=at, **fields)
    await Job.filter(id=made.id).update(created_at=at)
    await JobStep.create(job_id=made.id, position=0, name="one")
    await JobLog.bulk_create([JobLog(job_id=made.id, at=at, stream="step", line=str(n)) for n in range(3)])
    return made


async def host(name: str = "host1", **fields: Any) -> Server:
    return await Server.create(hostname=name, libvirt_uri="test:///default", enabled=False, **fields)


async def vm(server: Server, status: str, name: str = "web") -> Machine:
    return await Machine.create(
        server=server, uuid=str(uuid.uuid4()), name=name, status=status, cpu_cores=1, memory_mb=64, disk_gb=1
    )


async def kept() -> list[int]:
    return [one.id for one in await Job.all().order_by("id")]


async def test_old_jobs_go_with_their_steps_and_lines_and_young_ones_stay(
    client: httpx.AsyncClient, read_headers: Headers
) -> None:
    old = [await job(state=state) for state in ("succeeded", "failed", "canceled")]
    young = await job(at=datetime.now(UTC) - timedelta(days=89))
    long_one = await job()
    await Job.filter(id=long_one.id).update(finished_at=datetime.now(UTC))

    assert await prune_jobs(90) == 3
    assert await prune_jobs(90) == 0

    assert await kept() == [young.id, long_one.id]
    assert {step.job_id for step in await JobStep.all()} == {young.id, long_one.id}
    assert {line.job_id for line in await JobLog.all()} == {young.id, long_one.id}
    assert (await client.get(f"/api/jobs/{old[0].id}", headers=read_headers)).status_code == 404
    assert (await client.get(f"/api/jobs/{young.id}", headers=read_headers)).json()["steps"][0]["name"] == "one"
    assert (await job()).id > long_one.id  # no id is ever given again


async def test_with_0_nothing_is_forgotten() -> None:
    old = await job()

    assert await prune_jobs(0) == 0

    assert await kept() == [old.id]


async def test_what_waits_or_runs_stays_and_so_does_its_family() -> None:
    running = await job(state="running", vm_id=1)
    queued = await job(state="queued", vm_id=1)
    parent = await job()
    waiting = await job(state="queued", parent_id=parent.id)
    sibling = await job(parent_id=running.id)
    done = await job()
    await job(parent_id=done.id)

    assert await prune_jobs(90) == 2

    assert await kept() == [running.id, queued.id, parent.id, waiting.id, sibling.id]


async def test_the_jobs_of_a_vm_that_is_to_be_finished_stay() -> None:
    server = await host()
    leaving = await vm(server, "deleting", "leaving")
    coming = await vm(server, "creating", "coming")
    there = await vm(server, "stopped", "there")
    delete = await job("vm_delete", "failed", vm_id=leaving.id, parameters={"disks": ["/pool/leaving.qcow2"]})
    create = await job("vm_create", "canceled", vm_uuid=coming.uuid)
    await job("vm_delete", "failed", vm_id=there.id, vm_uuid=there.uuid)

    assert await prune_jobs(90) == 1

    assert await kept() == [delete.id, create.id]
    assert await left_disks(leaving) == ["/pool/leaving.qcow2"]
    await leaving.delete()
    await coming.delete()
    assert await prune_jobs(90) == 2


async def test_an_upload_stays_for_as_long_as_its_mark_may_be_on_its_server() -> None:
    away = await host("away", last_seen=LONG_AGO - timedelta(minutes=1))
    wanted = [await job("image_upload", state, server_id=away.id) for state in ("failed", "succeeded")]
    for one in wanted:
        await UploadMark.create(server=away, job_id=one.id, pool="images", name="a.raw")
    await job("image_upload", "failed", server_id=away.id)

    assert await prune_jobs(90) == 1

    assert await kept() == [one.id for one in wanted]


async def test_a_key_is_forgotten_with_its_job() -> None:
    caller = Caller(1, "admin", frozenset(Permission), Credential.SESSION)
    attempt = Attempt.of(caller, "vm_create", "key", {"name": "web"})
    first = await job("vm_create", actor_id=1, idempotency_key="key", request_hash=attempt.request_hash)
    assert await attempt.first() == first

    await prune_jobs(90)

    assert await attempt.first() is None


async def test_many_go_bit_by_bit_and_others_write_between(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hostler.jobs.retention.BATCH", 3)
    monkeypatch.setattr("hostler.jobs.retention.LINES", 4)
    before = [await job(state="running" if number % 5 == 0 else "succeeded", vm_id=number) for number in range(1, 23)]
    talkative = before[-1]
    await JobLog.bulk_create([JobLog(job_id=talkative.id, at=LONG_AGO, stream="stdout", line="x") for _ in range(30)])
    pruning = asyncio.create_task(prune_jobs(90))
    written = 0
    while not pruning.done():
        await Server.create(hostname=f"host{written}", libvirt_uri="test:///default", enabled=False)
        written += not pruning.done()

    assert await pruning == 18
    assert await kept() == [one.id for one in before if one.state == "running"]
    assert await JobLog.all().count() == 3 * 4
    assert written >= 5


async def test_a_service_forgets_by_itself() -> None:
    await job()

    async with forgetting(Retention(events=7, deliveries=30, jobs=90)):

        async def is_gone() -> bool:
            return not await kept()

        await eventually(is_gone, "the old job is forgotten")


async def test_a_service_is_told_by_its_settings(settings: Settings) -> None:
    settings = settings.model_copy(update={"job_retention_days": 12, "event_retention_days": 3})

    assert Retention.of(settings) == Retention(events=3, deliveries=30, jobs=12)
