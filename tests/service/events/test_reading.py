# SPDX-License-Identifier: GPL-3.0-or-later
"""Events are read in the order of their ids and none is passed over, though PostgreSQL commits in any order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from tortoise.transactions import in_transaction

from hostler.accounts.models import User
from hostler.database import Database
from hostler.events.models import Event
from hostler.events.reading import EventReader
from hostler.events.record import Kind, record_server
from hostler.hosts.models import Server
from hostler.settings import Settings
from tests.service.conftest import ADMIN_PASSWORD

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

INSERT = "INSERT INTO event (at, kind, data) VALUES (now(), 'vm.changed', '{}')"


@pytest.fixture
def settings(settings: Settings, postgres_url: str) -> Settings:
    return Settings(state_dir=settings.state_dir, database_url=postgres_url, admin_password=ADMIN_PASSWORD)


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    async with Database(settings) as database:
        await database.migrate()
        yield database


async def writer(url: str) -> psycopg.AsyncConnection:
    """Another process, in a transaction that has written an event."""
    connection = await psycopg.AsyncConnection.connect(url)
    await connection.execute(INSERT)
    return connection


async def ids(reader: EventReader, limit: int = 100) -> list[int]:
    return [event.id for event in await reader.read(limit)]


async def test_an_event_that_commits_late_is_waited_for(database: Database, postgres_url: str) -> None:
    reader = EventReader(0)
    late = await writer(postgres_url)  # takes id 1
    early = await writer(postgres_url)  # and id 2
    await early.commit()

    assert await ids(reader) == []
    assert reader.is_held_up
    third = await writer(postgres_url)
    await third.commit()
    assert await ids(reader) == []
    await late.commit()

    assert await ids(reader) == [1, 2, 3]
    assert not reader.is_held_up
    for connection in (late, early, third):
        await connection.close()


async def test_an_event_that_was_rolled_back_is_not_waited_for(database: Database, postgres_url: str) -> None:
    reader = EventReader(0)
    undone = await writer(postgres_url)
    done = await writer(postgres_url)
    await done.commit()
    assert await ids(reader) == []
    await undone.rollback()

    assert await ids(reader) == [2]
    assert await ids(reader) == []
    await undone.execute(INSERT)
    await undone.rollback()
    await done.execute(INSERT)
    await done.commit()
    # nobody is left who could bring id 3
    assert await ids(reader) == [4]
    for connection in (undone, done):
        await connection.close()


async def test_a_transaction_that_writes_no_event_holds_nobody_up(database: Database, postgres_url: str) -> None:
    reader = EventReader(0)
    long = await psycopg.AsyncConnection.connect(postgres_url)
    await long.execute("UPDATE server SET hostname = hostname")
    await long.execute("SELECT * FROM event")
    undone = await writer(postgres_url)
    await undone.rollback()
    done = await writer(postgres_url)
    await done.commit()

    assert await ids(reader) == [2]
    for connection in (long, undone, done):
        await connection.close()


async def test_a_gap_amid_more_than_a_page_is_filled_in_order(database: Database, postgres_url: str) -> None:
    reader = EventReader(0)
    done = await writer(postgres_url)
    await done.commit()
    late = await writer(postgres_url)  # takes id 2
    for _ in range(8):
        await done.execute(INSERT)
    await done.commit()
    assert await ids(reader, 4) == [1]
    await late.commit()

    read: list[int] = []
    for _ in range(5):
        read += await ids(reader, 4)
    assert read == list(range(2, 11))
    for connection in (late, done):
        await connection.close()


async def test_a_new_reader_begins_after_those_that_were_being_written(database: Database, postgres_url: str) -> None:
    late = await writer(postgres_url)
    early = await writer(postgres_url)
    await early.commit()
    beginning = asyncio.create_task(EventReader.at_the_end())
    await asyncio.sleep(0.1)
    assert not beginning.done()
    await late.commit()

    reader = await beginning

    assert reader.position == 2
    await early.execute(INSERT)
    await early.commit()
    assert await ids(reader) == [3]
    for connection in (late, early):
        await connection.close()


async def test_many_writers_at_once_are_all_read_once_and_in_order(database: Database) -> None:
    server = await Server.create(hostname="quiet", libvirt_uri="qemu+tls://192.0.2.9/system", enabled=False)
    reader = await EventReader.at_the_end()

    async def write(number: int) -> None:
        for turn in range(10):
            try:
                async with in_transaction():
                    await record_server(Kind.SERVER_CHANGED, server.id)
                    await asyncio.sleep(0.001 * ((number * 7 + turn * 3) % 5))
                    if (number + turn) % 4 == 0:
                        raise ZeroDivisionError
            except ZeroDivisionError:
                pass

    async def read() -> list[int]:
        found: list[int] = []
        while writing or await Event.filter(id__gt=reader.position).exists():
            found += await ids(reader, 7)
            await asyncio.sleep(0)
        return found

    writing = True
    reading = asyncio.create_task(read())
    await asyncio.gather(*(write(number) for number in range(8)))
    writing = False
    read_ids = await reading

    assert read_ids == await Event.all().order_by("id").values_list("id", flat=True)
    assert len(read_ids) == 60
    assert await User.all().count() == 0
