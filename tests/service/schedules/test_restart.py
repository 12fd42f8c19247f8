# SPDX-License-Identifier: GPL-3.0-or-later
"""What was due while no service was there: found by the next one, which does as each schedule says."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from hostler.accounts import users
from hostler.app import create_app
from hostler.bodies import zulu
from hostler.database import Database
from hostler.hosts.models import Server
from hostler.jobs.models import Job
from hostler.machines.models import Machine
from hostler.permission import Permission
from hostler.schedules.models import Schedule
from hostler.settings import Settings
from tests.service.conftest import USER_PASSWORD, log_in
from tests.service.machines.lab_service import eventually
from tests.service.schedules.conftest import made, shown

pytestmark = [pytest.mark.anyio, pytest.mark.rule("schedule-missed")]


@contextlib.asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A service in the block, and a client of a user who may read and write."""
    async with Database(settings) as database:
        await database.migrate()
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://hostler.test") as client:
            if not await Machine.exists():
                await users.create_user("ada", USER_PASSWORD, [Permission.READ, Permission.WRITE])
                server = await Server.create(hostname="quiet", libvirt_uri="qemu+tls://192.0.2.9/system", enabled=False)
                sizes = {"cpu_cores": 1, "memory_mb": 64, "disk_gb": 1}
                uuid = "6a1f0000-0000-4000-8000-000000000001"
                await Machine.create(uuid=uuid, name="one", server=server, status="stopped", tags=["web"], **sizes)
            client.headers.update(await log_in(client, "ada", USER_PASSWORD))
            yield client


async def test_the_next_service_leaves_it_out_or_makes_one_run(settings: Settings) -> None:
    async with serving(settings) as api:
        far = "2040-01-01T00:00:00Z"
        left_out = await made(api, name="left-out", missed="skip", at=far, grace_seconds=0)
        made_up = await made(api, name="made-up", missed="run_once", at=far, grace_seconds=0)
        in_time = await made(api, name="in-time", missed="skip", at=far, grace_seconds=86400)
    async with Database(settings):  # while nobody is there their time comes and passes
        passed = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
        await Schedule.all().update(at=passed, next_run_at=passed)
        assert not await Job.exists()

    async with serving(settings) as api:

        async def are_settled() -> bool:
            found = [await shown(api, one) for one in (left_out, made_up, in_time)]
            return all(one["state"] == "done" for one in found)

        await eventually(are_settled, "the next service has looked")
        skipped, once, late = [(await shown(api, one))["last_time"] for one in (left_out, made_up, in_time)]
        assert (skipped["outcome"], once["outcome"], late["outcome"]) == ("missed", "begun", "begun")
        assert once["detail"] == f"It stands for all that was due from {zulu(passed)} on"
        assert late["detail"] is None
        jobs = await Job.filter(action="vm_many").order_by("id")
        assert {str(job.parameters["schedule"]["name"]) for job in jobs} == {"made-up", "in-time"}  # type: ignore[index]
        assert len(jobs) == 2
