# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots by schedule, on real VMs: so many of its own are kept, and never another's is touched."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import httpx
import pytest

from hostler.hosts.models import Server
from hostler.jobs.models import Job
from hostler.settings import Settings
from lab.host import Host
from tests.service.machines.lab_service import clean_host, create, server, settings
from tests.service.schedules.conftest import ended, made, shown, time_comes

__all__ = ["clean_host", "server", "settings"]

pytestmark = [pytest.mark.anyio, pytest.mark.lab, pytest.mark.rule("schedule-snapshots")]

DAY = timedelta(days=1)


def snapshots(host: Host, name: str) -> list[str]:
    return sorted(host.virsh("snapshot-list", name, "--name").split())


async def run_once(api: httpx.AsyncClient, settings: Settings, schedule: dict[str, Any]) -> list[Job]:
    """Have the schedule's time come, and answer the VMs' jobs when they have ended."""
    await time_comes(settings, schedule)
    parent = await ended((await shown(api, schedule))["last_job_id"])
    return await Job.filter(parent_id=parent.id).order_by("vm_id")


async def test_so_many_of_each_vm_are_kept_and_never_anothers_removed(
    api: httpx.AsyncClient, server: Server, settings: Settings, clean_host: Host
) -> None:
    await create(api, server, "off", tags=["web"])
    await create(api, server, "on", tags=["web"], start=True)
    do = {"action": "snapshot", "filter": {"tags": ["web"]}}
    nightly = await made(api, name="nightly", cron="0 2 * * *", do=do, keep=2)
    single = await made(api, name="single", at="2040-01-01T00:30:00Z", do=do, keep=1)
    # one of somebody's that looks like one of the schedule's, and one of another schedule's
    clean_host.virsh("snapshot-create-as", "off", "nightly-20200101T000000.000Z")
    others = await run_once(api, settings, single)

    taken = [await run_once(api, settings, nightly) for _ in range(4)]

    for jobs, removed in zip(taken, (0, 0, 1, 1), strict=True):
        assert [job.state for job in jobs] == ["succeeded", "succeeded"]
        assert [len(job.result["removed"]) for job in jobs if job.result] == [removed, removed]  # type: ignore[arg-type]
    names = [[str(job.result["snapshot"]["name"]) for job in jobs if job.result] for jobs in taken]  # type: ignore[index]
    assert all(re.fullmatch(r"nightly-\d{8}T\d{6}\.\d{3}Z", name) for pair in names for name in pair)
    off, on = [str(job.result["snapshot"]["name"]) for job in others if job.result]  # type: ignore[index]
    foreign = "nightly-20200101T000000.000Z"
    assert snapshots(clean_host, "off") == sorted([foreign, off, names[2][0], names[3][0]])
    assert snapshots(clean_host, "on") == sorted([on, names[2][1], names[3][1]])
    described = clean_host.virsh("snapshot-dumpxml", "off", names[3][0])
    assert "<description>Taken by schedule nightly</description>" in described

    # a namesake that comes after it is another schedule
    await api.delete(f"/api/schedules/{nightly['id']}")
    again = await made(api, name="nightly", cron="0 2 * * *", do=do, keep=1)
    (first, _) = await run_once(api, settings, again)
    assert first.result is not None
    assert first.result["removed"] == []
    assert len(snapshots(clean_host, "off")) == 5


async def test_it_is_taken_as_the_schedule_says(
    api: httpx.AsyncClient, server: Server, settings: Settings, clean_host: Host
) -> None:
    await create(api, server, "on", tags=["web"], start=True)
    how = {"name": "before", "external": True, "memory": False, "description": "as asked"}
    do = {"action": "snapshot", "filter": {"tags": ["web"]}, "snapshot": how}
    schedule = await made(api, cron="0 2 * * *", do=do, keep=1)

    (job,) = await run_once(api, settings, schedule)

    assert (job.state, job.error_detail) == ("succeeded", None)
    assert job.result is not None
    taken: Any = job.result["snapshot"]
    assert taken["name"].startswith("before-")
    assert (taken["external"], taken["memory"], taken["description"]) == (True, False, "as asked")
    assert (await shown(api, schedule))["last_time"]["outcome"] == "begun"
