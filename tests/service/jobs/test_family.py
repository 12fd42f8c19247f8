# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs of many VMs: how many may run is held by the database, whoever begins them."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from hostler.hosts.models import Server
from hostler.jobs.ledger import begin, close_job
from hostler.jobs.models import Job, JobState
from hostler.machines.models import Machine

pytestmark = [pytest.mark.anyio, pytest.mark.rule("many")]

NOT_OURS = "vm_rest"  # of a newer service: nobody here takes it up


async def parent(**fields: Any) -> Job:
    return await Job.create(action="vm_many", executor="direct", state="running", parameters={}, **fields)


async def children(of: Job, number: int) -> list[Job]:
    server = await Server.create(hostname="shelf", libvirt_uri="qemu:///system", enabled=False)
    rows = []
    for name in range(number):
        vm = await Machine.create(
            server=server,
            name=f"vm{name}",
            uuid=f"{name:036}",
            status="stopped",
            cpu_cores=1,
            memory_mb=64,
            disk_gb=0.0,
        )
        rows.append(
            await Job.create(
                action=NOT_OURS, executor="direct", state="queued", parent_id=of.id, vm_id=vm.id, server_id=server.id
            )
        )
    return rows


async def test_no_more_run_at_once_than_may_however_many_begin_them(api: httpx.AsyncClient) -> None:
    above = await parent(at_once=2)
    waiting = await children(above, 5)

    begun = [job for job in await asyncio.gather(*(begin(job.id, 16) for job in waiting)) if job is not None]
    assert len(begun) == 2
    assert await close_job(begun[0], JobState.SUCCEEDED)
    again = [job for job in await asyncio.gather(*(begin(job.id, 16) for job in waiting)) if job is not None]

    assert len(again) == 1
    assert await Job.filter(parent_id=above.id, state="running").count() == 2


async def test_none_is_begun_once_the_job_above_is_to_end(api: httpx.AsyncClient) -> None:
    above = await parent(at_once=5)
    (running, *_) = waiting = await children(above, 2)
    assert await begin(running.id, 16) is not None

    assert (await api.post(f"/api/jobs/{above.id}/cancel")).status_code in (200, 202)

    assert [await begin(job.id, 16) for job in waiting] == [None, None]


async def test_one_without_any_ends_when_it_is_canceled(api: httpx.AsyncClient) -> None:
    above = await parent(at_once=1)

    answer = await api.post(f"/api/jobs/{above.id}/cancel")

    assert answer.status_code == 200
    await above.refresh_from_db()
    assert above.finished_at is not None
