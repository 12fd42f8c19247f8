# SPDX-License-Identifier: GPL-3.0-or-later
"""Several services on one PostgreSQL, and services that are killed: a run is made once, whatever happens."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from hostler.accounts.models import User
from hostler.database import Database
from hostler.hosts.models import Server
from hostler.jobs.models import Job
from hostler.machines.models import Machine
from hostler.schedules.clock import Clock
from hostler.schedules.models import Missed, Schedule
from hostler.settings import Settings
from tests.service.machines.lab_service import eventually
from tests.service.serving import Serve, read_until, serve

__all__ = ["serve"]

WAITING = """
SELECT count(*) AS number FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND datname = current_database()
"""

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
def settings(settings: Settings, postgres_url: str) -> Settings:
    return settings.model_copy(update={"database_url": postgres_url})


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    """The services' database: a user, and a VM on a server that nobody watches."""
    async with Database(settings) as database:
        await database.migrate()
        await User.create(username="ada", username_key="ada", password_hash="", permissions=["read", "write"])
        server = await Server.create(hostname="quiet", libvirt_uri="qemu+tls://192.0.2.9/system", enabled=False)
        sizes = {"cpu_cores": 1, "memory_mb": 64, "disk_gb": 1}
        uuid = "6a1f0000-0000-4000-8000-000000000001"
        await Machine.create(uuid=uuid, name="one", server=server, status="stopped", **sizes)
        yield database


async def scheduled(name: str, at: datetime) -> Schedule:
    owner = await User.get(username="ada")
    vm = await Machine.get(name="one")
    return await Schedule.create(
        uid=name,
        name=name,
        owner=owner,
        owner_name="ada",
        at=at,
        do={"action": "start", "ids": [vm.id]},
        missed=Missed.RUN_ONCE.value,
        grace_seconds=0,
        next_run_at=at,
    )


def started(serve: Serve, settings: Settings, name: str) -> int:
    """A service of its own; answers the id of its process."""
    own = {"HOSTLER_STATE_DIR": str(settings.state_dir / name), "HOSTLER_DATABASE_URL": settings.database_url}
    process = serve(**own)
    read_until(process, r"is listening on")
    return process.pid


async def have_run() -> bool:
    return not await Schedule.filter(next_run_at__not_isnull=True).exists()


async def test_of_several_services_one_makes_each_run(serve: Serve, settings: Settings, database: Database) -> None:
    settings.make_state_dir()
    await asyncio.gather(*(asyncio.to_thread(started, serve, settings, name) for name in ("a", "b", "c")))
    soon = datetime.now(UTC) + timedelta(seconds=2)
    schedules = [await scheduled(f"s{number}", soon) for number in range(20)]

    await eventually(have_run, "all have run", 60)
    await asyncio.sleep(2.5)  # whoever would make one twice has looked again by then

    parents = await Job.filter(action="vm_many")
    assert sorted(str(job.parameters["schedule"]["name"]) for job in parents) == sorted(  # type: ignore[index]
        one.name for one in schedules
    )
    assert await Job.filter(action="vm_start").count() == 20
    for one in await Schedule.all():
        assert one.last_job_id in {job.id for job in parents}


async def test_clocks_that_look_at_once_make_one_run(settings: Settings, database: Database) -> None:
    at = datetime.now(UTC) + timedelta(days=1)
    for number in range(10):
        await scheduled(f"s{number}", at)

    await asyncio.gather(*(Clock(settings, lambda: at).look() for _ in range(8)))

    assert await Job.filter(action="vm_many").count() == 10
    assert await have_run()


async def test_one_that_is_killed_in_the_middle_of_it_leaves_the_run_to_another(
    serve: Serve, settings: Settings, database: Database
) -> None:
    settings.make_state_dir()
    killed = await asyncio.to_thread(started, serve, settings, "killed")
    with psycopg.connect(settings.database_url) as other:
        other.execute("LOCK TABLE event IN EXCLUSIVE MODE")  # the last that the transaction writes, but for the row
        await scheduled("nightly", datetime.now(UTC))

        async def is_in_the_middle() -> bool:
            rows = await database.connection.execute_query_dict(WAITING)
            return bool(rows[0]["number"])

        await eventually(is_in_the_middle, "the service is in the middle of the transaction", 30)
        os.kill(killed, 9)
        other.rollback()
    assert not await Job.exists()
    assert not await have_run()

    await asyncio.to_thread(started, serve, settings, "next")

    await eventually(have_run, "another makes the run", 30)
    (job,) = await Job.filter(action="vm_many")
    assert (await Schedule.get(name="nightly")).last_job_id == job.id
