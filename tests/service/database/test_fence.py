# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task may not write any more it does not, and who takes over waits for what is being written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from tortoise.transactions import in_transaction

from hostler.database import Database, DatabaseUnavailable, Fenced, check_fence, fence, rows
from hostler.database.postgres_backend import IDLE_SECONDS
from hostler.hosts.models import HostLease, Server
from hostler.services.presence import LEASE_SECONDS
from hostler.settings import Settings

pytestmark = pytest.mark.anyio

HELD = ("SELECT 1 FROM host_lease WHERE server_id = ? AND owner = ? FOR SHARE", (1, "me"))
TAKE = "UPDATE host_lease SET owner = 'another' WHERE server_id = 1"


@pytest.fixture
async def database(settings: Settings, postgres_url: str) -> AsyncIterator[Database]:
    """A service's database, with a lease that is ours."""
    settings = settings.model_copy(update={"database_url": postgres_url})
    async with Database(settings) as database:
        await database.migrate()
    async with Database(settings).for_service() as database:
        await HostLease.create(server_id=1, owner="me")
        yield database


async def write(hostname: str) -> None:
    async with in_transaction():
        await Server.create(hostname=hostname, libvirt_uri="test:///default")


async def test_a_task_writes_for_as_long_as_its_condition_holds(database: Database) -> None:
    async def work() -> None:
        fence(HELD)
        await write("first")
        await check_fence()
        await asyncio.create_task(write("by a task of its own"))
        await rows(TAKE)
        for forbidden in (write("second"), asyncio.create_task(write("third"))):
            with pytest.raises(Fenced):
                await forbidden
        with pytest.raises(Fenced):
            await check_fence()
        await Server.all().count()  # it may look

    await asyncio.create_task(work())
    await write("others are free")

    names = [server.hostname for server in await Server.all().order_by("id")]
    assert names == ["first", "by a task of its own", "others are free"]


async def test_whoever_takes_over_waits_for_what_is_being_written(database: Database, postgres_url: str) -> None:
    async def work() -> None:
        fence(HELD)
        async with in_transaction():
            await Server.create(hostname="half", libvirt_uri="test:///default")
            taker = await psycopg.AsyncConnection.connect(postgres_url, autocommit=True)
            async with taker:
                await taker.execute("SET lock_timeout = '200ms'")
                with pytest.raises(psycopg.errors.LockNotAvailable):
                    await taker.execute(TAKE.encode())
                free = await taker.execute(
                    b"SELECT server_id FROM host_lease WHERE server_id = 1 FOR UPDATE SKIP LOCKED"
                )
                assert await free.fetchall() == []  # a taker that will not wait passes it by

    await asyncio.create_task(work())

    assert await Server.filter(hostname="half").exists()


async def test_a_transaction_that_is_left_alone_is_ended(database: Database) -> None:
    found = await rows("SHOW idle_in_transaction_session_timeout")
    assert [dict(row) for row in found] == [{"idle_in_transaction_session_timeout": "8s"}]
    with pytest.raises(DatabaseUnavailable):
        async with in_transaction():
            await rows("SET LOCAL idle_in_transaction_session_timeout = 200")
            await Server.create(hostname="left", libvirt_uri="test:///default")
            await asyncio.sleep(0.6)
            await Server.create(hostname="late", libvirt_uri="test:///default")

    assert await Server.all().count() == 0
    assert IDLE_SECONDS < LEASE_SECONDS  # else a lease would be over before its locks are
