# SPDX-License-Identifier: GPL-3.0-or-later
"""Several who write to one chain at the same time: it never forks, and nobody waits for anybody for ever."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
from tortoise.transactions import in_transaction

from hostler.accounts.models import User
from hostler.audit.chain import verify
from hostler.audit.record import Target, record
from hostler.database import Database
from hostler.settings import Settings
from tests.service.audit.conftest import audited
from tests.service.conftest import DATABASE

pytestmark = pytest.mark.anyio

WRITER = """
import asyncio, sys
from tortoise.transactions import in_transaction
from hostler import logs
from hostler.accounts.models import User
from hostler.audit.record import Target, record
from hostler.database import Database
from hostler.settings import Settings

async def one(name, number):
    async with in_transaction():
        await User.filter(id=1 + number % 2).update(enabled=True)   # rows that the others lock, too
        record("test.write", target=Target("test", number, name))
        await User.filter(id=2 - number % 2).select_for_update().first()
        if number % 5 == 4:
            raise RuntimeError

async def main(name, count):
    settings = Settings.load()
    logs.configure(settings)
    async with Database(settings):
        done = await asyncio.gather(*(one(name, number) for number in range(count)), return_exceptions=True)
    others = [error for error in done if error is not None and type(error) is not RuntimeError]
    print(sum(error is None for error in done), [repr(error) for error in others])

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


def environment(settings: Settings) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOSTLER_STATE_DIR": str(settings.state_dir),
        "HOSTLER_DATABASE_URL": settings.database_url,
        "HOSTLER_LOG_LEVEL": "warning",
    }


async def run(settings: Settings, count: int) -> None:
    writers = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            WRITER,
            name,
            str(count),
            env=environment(settings),
            stdout=asyncio.subprocess.PIPE,
        )
        for name in ("one", "two", "three")
    ]
    outputs = [(await writer.communicate())[0].decode().strip() for writer in writers]
    assert outputs == [f"{count * 4 // 5} []"] * 3


async def test_three_processes_write_one_chain(database: Database, settings: Settings) -> None:
    """Those that are rolled back among them leave no gap."""
    await run(settings, 40 if DATABASE == "sqlite" else 100)

    verdict = await verify()

    assert verdict.problem is None
    names = [entry["target_name"] for entry in await audited("test.write")]
    assert len(names) == 3 * (32 if DATABASE == "sqlite" else 80)
    assert {name: names.count(name) for name in names} == dict.fromkeys(("one", "two", "three"), len(names) // 3)
    assert verdict.entries == len(names) + 1


async def test_a_service_and_commands_write_one_chain(database: Database, settings: Settings) -> None:
    async def command(number: int) -> bytes:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hostler", "user", "add", f"user{number}", "--generate-password"),
            env=environment(settings),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=Path.cwd(),
        )
        _, said = await process.communicate()
        assert process.returncode == 0, said
        return said

    commands = asyncio.gather(*(command(number) for number in range(4)))
    while not commands.done():
        async with in_transaction():
            record("test.write", target=Target("test", 1))
        await asyncio.sleep(0.01)
    await commands

    assert await User.all().count() == 4
    made = await audited("user.create")
    assert {entry["auth"] for entry in made} == {"cli"}
    assert sorted(entry["target_name"] for entry in made) == [f"user{number}" for number in range(4)]
    assert (await verify()).problem is None


@pytest.mark.skipif(DATABASE == "sqlite", reason="SQLite has one writer")
async def test_the_chains_lock_is_taken_last_so_that_no_two_transactions_wait_for_each_other(
    database: Database, settings: Settings
) -> None:
    """Each has recorded something, and only then wants a row that the other has: nobody holds the chain meanwhile."""
    for name in ("a", "b"):
        await User.create(username=name, username_key=name, password_hash="-", permissions=[])
    recorded = asyncio.Event()

    async def first() -> None:
        async with in_transaction():
            record("test.first")
            await recorded.wait()
            await User.filter(username="a").update(enabled=False)

    async def second() -> None:
        async with in_transaction():
            await User.filter(username="a").update(enabled=False)
            recorded.set()
            await asyncio.sleep(0.2)  # the first one waits for the row by now
            record("test.second")

    await asyncio.wait_for(asyncio.gather(first(), second()), 10)

    assert [entry["action"] for entry in await audited()][1:] == ["test.second", "test.first"]
    assert (await verify()).problem is None
