# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the schedule tests: VMs on libvirt's test driver, and schedules whose time comes when a test says so.

The service's own clock runs, too: what a test wants to see before, it gives a time that is years away.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from hostler.hosts.models import Server
from hostler.jobs.models import Job
from hostler.schedules.clock import Clock
from hostler.schedules.models import Schedule
from hostler.settings import Settings
from tests.service.conftest import Headers
from tests.service.hostile.conftest import all_headers, settings, test_server
from tests.service.machines.lab_service import create, eventually

__all__ = ["all_headers", "settings", "test_server"]

PATH = "/api/schedules"
STARTS = {"action": "start", "filter": {"tags": ["web"]}}
YEARLY = "0 2 1 1 *"


@pytest.fixture
async def api(app: FastAPI, write_headers: Headers) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a user who may read and write."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://hostler.test", headers=write_headers) as client:
        yield client


@pytest.fixture
async def two(api: httpx.AsyncClient, test_server: Server) -> list[dict[str, Any]]:
    """Two VMs that are off, with the tag web."""
    return [await create(api, test_server, name, tags=["web"]) for name in ("one", "two")]


async def made(api: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    """A new schedule, as its create answers it: once a year, unless it says otherwise."""
    times = {} if {"at", "cron"} & fields.keys() else {"cron": YEARLY}
    answer = await api.post(PATH, json={"name": "nightly", "do": STARTS, **times, **fields})
    assert answer.status_code == 201, answer.text
    schedule: dict[str, Any] = answer.json()
    return schedule


async def shown(api: httpx.AsyncClient, schedule: dict[str, Any]) -> dict[str, Any]:
    """The schedule as it is now."""
    answer = await api.get(f"{PATH}/{schedule['id']}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def time_comes(settings: Settings, schedule: dict[str, Any], late: timedelta = timedelta()) -> datetime:
    """Have the clock show the time of the schedule's next run, or later, and answer what it shows."""
    row = await Schedule.get(id=schedule["id"])
    assert row.next_run_at is not None
    moment = row.next_run_at + late
    await Clock(settings, lambda: moment).look()
    return moment


async def runs() -> list[Job]:
    """The jobs of all runs."""
    return await Job.filter(action="vm_many").order_by("id")


async def ended(job_id: int) -> Job:
    """The job, when it has ended."""

    async def has_ended() -> bool:
        return (await Job.get(id=job_id)).finished_at is not None

    await eventually(has_ended, "the run ends")
    return await Job.get(id=job_id)


def parsed(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
