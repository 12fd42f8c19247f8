# SPDX-License-Identifier: GPL-3.0-or-later
"""The SQLite backend: what waits for what, what sees what, and what a cancelled task leaves behind."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tortoise.exceptions import IntegrityError, OperationalError, TransactionManagementError
from tortoise.transactions import in_transaction

from hostler.accounts.models import User
from hostler.database import Database, DatabaseUnavailable, rows, sqlite_backend
from hostler.database.sqlite_backend import WalClient
from hostler.hosts.models import Server
from hostler.settings import Settings

pytestmark = pytest.mark.anyio


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    async with Database(settings).for_service() as database:
        yield database


@pytest.fixture
def file(database: Database) -> Path:
    assert database.url.file is not None
    return database.url.file


def client_of(database: Database) -> WalClient:
    assert isinstance(database.connection, WalClient)
    return database.connection


async def add(hostname: str) -> Server:
    return await Server.create(hostname=hostname, libvirt_uri="qemu:///system")


async def test_a_read_sees_every_write_committed_before_it(database: Database) -> None:
    for number in range(50):
        await add(f"host{number}")
        assert await Server.all().count() == number + 1
        assert len(await rows("SELECT id FROM server")) == number + 1


async def test_a_read_does_not_wait_for_a_write_transaction_nor_see_it(database: Database) -> None:
    in_the_middle, go_on = asyncio.Event(), asyncio.Event()

    async def long_write() -> None:
        async with in_transaction():
            await add("uncommitted")
            in_the_middle.set()
            await go_on.wait()

    writer = asyncio.create_task(long_write())
    await in_the_middle.wait()

    # the transaction can't end before go_on is set: a read that waited for it would never return
    assert await Server.all().count() == 0
    assert await rows("SELECT id FROM server") == []

    go_on.set()
    await writer
    assert await Server.all().count() == 1


async def test_a_read_does_not_wait_for_another_process_that_writes(database: Database, file: Path) -> None:
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        assert await Server.all().count() == 0
    finally:
        other.execute("ROLLBACK")
        other.close()


async def test_inside_a_transaction_its_own_writes_are_seen(database: Database) -> None:
    async with in_transaction():
        await add("new")
        assert await Server.all().count() == 1
        assert len(await rows("SELECT id FROM server")) == 1


async def test_an_error_rolls_back(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with in_transaction():
            await add("new")
            raise ZeroDivisionError

    assert await Server.all().count() == 0


async def test_an_inner_transaction_rolls_back_alone(database: Database) -> None:
    async with in_transaction():
        await add("outer")
        with pytest.raises(ZeroDivisionError):
            async with in_transaction():
                await add("inner")
                raise ZeroDivisionError
        async with in_transaction():
            await add("second")

    assert [server.hostname for server in await Server.all().order_by("id")] == ["outer", "second"]


async def test_writers_take_turns_and_lose_nothing(database: Database) -> None:
    user = await User.create(username="n", username_key="n", password_hash="-", permissions=[], session_epoch=0)

    async def count_up() -> None:
        async with in_transaction():
            found = await User.get(id=user.id)
            await asyncio.sleep(0)
            found.session_epoch += 1
            await found.save()

    await asyncio.gather(*(count_up() for _ in range(50)))

    assert (await User.get(id=user.id)).session_epoch == 50


async def test_a_transaction_cancelled_while_it_waits_for_its_turn_leaves_the_others_alone(database: Database) -> None:
    in_the_middle, go_on = asyncio.Event(), asyncio.Event()

    async def write(hostname: str, *, wait: bool = False) -> None:
        async with in_transaction():
            await add(hostname)
            if wait:
                in_the_middle.set()
                await go_on.wait()

    first = asyncio.create_task(write("first", wait=True))
    await in_the_middle.wait()
    second = asyncio.create_task(write("second"))
    third = asyncio.create_task(write("third"))
    await asyncio.sleep(0)

    second.cancel()
    go_on.set()
    await asyncio.gather(first, third)

    assert second.cancelled() or isinstance(second.exception(), asyncio.CancelledError)
    assert {server.hostname for server in await Server.all()} == {"first", "third"}


async def test_a_transaction_cancelled_at_any_point_leaves_the_database_usable(database: Database) -> None:
    async def write(number: int) -> None:
        async with in_transaction():
            await add(f"a{number}")
            await add(f"b{number}")

    for turns in range(30):
        task = asyncio.create_task(write(turns))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        # begin, commit and rollback all still work, and halves are never kept
        await add(f"after{turns}")

    names = {server.hostname for server in await Server.all()}
    assert {f"after{turns}" for turns in range(30)} <= names
    assert {name[1:] for name in names if name[0] == "a" and name[1] != "f"} == {
        name[1:] for name in names if name[0] == "b"
    }


async def test_a_begin_that_is_cancelled_while_another_process_writes_is_undone(database: Database, file: Path) -> None:
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")

    async def write() -> None:
        async with in_transaction():
            await add("never")

    task = asyncio.create_task(write())
    await asyncio.sleep(0.05)  # it is in sqlite's busy loop now, on its thread
    task.cancel()
    await asyncio.wait([task])
    other.execute("COMMIT")
    other.close()

    await add("after")
    assert [server.hostname for server in await Server.all()] == ["after"]


async def test_a_write_waits_for_another_process_that_writes(database: Database, file: Path) -> None:
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    write = asyncio.create_task(add("patient"))
    await asyncio.sleep(0.1)
    assert not write.done()

    other.execute("COMMIT")
    other.close()

    assert (await write).hostname == "patient"


async def test_a_write_that_waited_too_long_says_that_the_database_is_unavailable(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_backend, "BUSY_SECONDS", 0.05)
    async with Database(settings).for_service() as database:
        assert database.url.file is not None
        other = sqlite3.connect(database.url.file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(DatabaseUnavailable):
            await add("impatient")
        with pytest.raises(DatabaseUnavailable):
            async with in_transaction():
                pass

        other.execute("ROLLBACK")
        other.close()
        await add("later")


async def test_the_reader_cannot_write(database: Database) -> None:
    reader = client_of(database).reader
    assert reader is not None

    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await reader.submit(lambda connection: connection.execute("DELETE FROM server"))


async def test_a_task_that_outlives_its_transaction_is_refused(database: Database) -> None:
    go_on = asyncio.Event()

    async def straggler() -> None:
        await go_on.wait()
        await add("too late")

    async with in_transaction():
        task = asyncio.create_task(straggler())
    go_on.set()

    with pytest.raises(TransactionManagementError, match="outlived"):
        await task
    assert await Server.all().count() == 0


async def test_a_violated_index_is_an_integrity_error_and_leaves_the_connection_usable(database: Database) -> None:
    await add("twin")

    with pytest.raises(IntegrityError):
        await add("twin")
    with pytest.raises(IntegrityError):
        async with in_transaction():
            await add("other")
            await add("twin")

    assert [server.hostname for server in await Server.all()] == ["twin"]


async def test_a_wrong_query_is_an_operational_error_but_no_unavailable_database(database: Database) -> None:
    with pytest.raises(OperationalError) as raised:
        await rows("SELECT nothing FROM nowhere")

    assert not isinstance(raised.value, DatabaseUnavailable)


async def test_bulk_inserts_are_all_or_nothing(database: Database) -> None:
    twins = [Server(hostname=name, libvirt_uri="qemu:///system") for name in ("a", "b", "a")]

    with pytest.raises(IntegrityError):
        await Server.bulk_create(twins)

    assert await Server.all().count() == 0


async def test_counts_of_updates_and_deletes_are_right(database: Database) -> None:
    for name in ("a", "b", "c"):
        await add(name)

    assert await Server.filter(hostname__in=["a", "b"]).update(enabled=False) == 2
    assert await Server.filter(enabled=False).delete() == 2
    assert await Server.filter(hostname="nobody").update(enabled=False) == 0


async def test_an_id_is_never_given_twice(database: Database) -> None:
    first = await add("a")
    await first.delete()

    assert (await add("b")).id > first.id


async def test_a_closed_database_is_unavailable(settings: Settings) -> None:
    database = Database(settings)
    async with database.for_service():
        pass

    with pytest.raises(DatabaseUnavailable):
        _ = database.connection


async def test_a_database_that_cannot_be_opened_is_unavailable(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    database = Database(Settings(state_dir=settings.state_dir, database_url=f"sqlite://{folder}"))

    with pytest.raises(DatabaseUnavailable, match="can't be opened"):
        await database.connect()


async def test_the_files_are_their_owners_only(database: Database, file: Path) -> None:
    await add("a")

    modes = {path.name: path.stat().st_mode & 0o777 for path in file.parent.iterdir()}

    assert modes == {f"{file.name}{suffix}": 0o600 for suffix in ("", "-wal", "-shm", ".lock")}


@pytest.mark.parametrize("name", ["with space.db", "what?.db", "100%25.db", "hash#.db", "ünïcode.db"])
async def test_any_file_name_will_do(settings: Settings, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    async with Database(Settings(state_dir=settings.state_dir, database_url=f"sqlite://{path}")).for_service():
        await add("a")

    assert path.stat().st_size > 0
