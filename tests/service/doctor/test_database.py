# SPDX-License-Identifier: GPL-3.0-or-later
"""What the doctor says of the database."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from hostler.database import Database, config
from hostler.database.indexes import EXPECTED
from hostler.database.migrate import SchemaBroken
from hostler.doctor import database as check
from hostler.doctor.finding import Finding, Level
from hostler.events.models import Event
from hostler.hosts.models import Server
from hostler.settings import Settings
from tests.service.database.migrations_there import NAMES

pytestmark = pytest.mark.anyio


def only(found: list[Finding]) -> Finding:
    (one,) = found
    return one


def file_of(database: Database) -> Path:
    assert database.url.file is not None
    return database.url.file


@pytest.fixture
def sqlite(database: Database) -> Database:
    if database.url.file is None:
        pytest.skip("about SQLite's file")
    return database


class TestReachable:
    async def test_one_that_is_there(self, database: Database, settings: Settings) -> None:
        assert await database.pending() == []
        assert (await check.reachable(settings)).level is Level.OK

    async def test_no_file(self, tmp_path: Path, settings: Settings) -> None:
        nowhere = settings.model_copy(update={"database_url": f"sqlite://{tmp_path}/none.sqlite3"})

        found = await check.reachable(nowhere)

        assert (found.level, found.message) == (Level.FAILED, f"There is no database {tmp_path}/none.sqlite3")
        assert "hostler server rebuild" in str(found.remedy)
        assert not (tmp_path / "none.sqlite3").exists()

    async def test_a_file_that_is_none(self, tmp_path: Path, settings: Settings) -> None:
        file = tmp_path / "letter"
        file.write_text("Dear database,\n" * 1000)

        found = await check.reachable(settings.model_copy(update={"database_url": f"sqlite://{file}"}))

        assert found.level is Level.FAILED
        assert "file is not a database" in found.message

    async def test_a_server_that_is_not_there(self, settings: Settings) -> None:
        url = "postgres://ada:a-password@127.0.0.1:1/hostler"

        found = await check.reachable(settings.model_copy(update={"database_url": url}))

        assert found.level is Level.FAILED
        assert "refused" in found.message
        assert "a-password" not in found.message

    @pytest.mark.slow
    async def test_a_server_that_is_there(self, settings: Settings, postgres_url: str) -> None:
        found = await check.reachable(settings.model_copy(update={"database_url": postgres_url}))

        assert found.level is Level.OK
        assert found.message.startswith("PostgreSQL ")


class TestColumns:
    async def test_all_are_there(self, database: Database) -> None:
        assert (await check.all_columns(database)).level is Level.OK

    async def test_one_is_gone(self, database: Database) -> None:
        await database.connection.execute_query("ALTER TABLE server DROP COLUMN virt_type")

        found = await check.all_columns(database)

        assert (found.level, found.message) == (Level.FAILED, "The database lacks server.virt_type")


class TestSchema:
    async def test_this_version(self, database: Database) -> None:
        assert (await check.schema(database)).level is Level.OK

    async def test_an_older_one(self, database: Database) -> None:
        await database.connection.execute_query(f"DELETE FROM tortoise_migrations WHERE name = '{NAMES[-1]}'")  # noqa: S608 - a file's name

        found = await check.schema(database)

        assert (found.level, found.message) == (Level.FAILED, f"The database lacks the migrations {NAMES[-1]}")
        assert "hostler migrate" in str(found.remedy)

    async def test_one_is_missing_in_the_middle(self, database: Database) -> None:
        await database.connection.execute_query(f"DELETE FROM tortoise_migrations WHERE name = '{NAMES[2]}'")  # noqa: S608 - a file's name

        found = await check.schema(database)

        assert found.level is Level.FAILED
        assert found.message == (
            f"The database says that {NAMES[3]} was applied, and {NAMES[2]} before it was not: "
            "its table tortoise_migrations was changed by somebody else"
        )
        assert "hostler db restore" in str(found.remedy)
        with pytest.raises(SchemaBroken):
            await database.migrate()

    async def test_its_record_is_gone(self, database: Database) -> None:
        await database.connection.execute_query("DELETE FROM tortoise_migrations")

        found = await check.schema(database)

        assert found.level is Level.FAILED
        assert "says of no migration that it was applied" in found.message

    async def test_a_newer_one(self, database: Database) -> None:
        await database.connection.execute_query("UPDATE tortoise_migrations SET name = '9999_later' WHERE id = 1")

        found = await check.schema(database)

        assert found.level is Level.FAILED
        assert "9999_later" in found.message


class TestIndexes:
    async def test_all_are_there(self, database: Database) -> None:
        assert (await check.all_indexes(database)).level is Level.OK

    async def test_one_is_gone_and_another_is_another(self, database: Database) -> None:
        await database.connection.execute_query("DROP INDEX vm_running_job")
        await database.connection.execute_query("DROP INDEX vm_owner")
        await database.connection.execute_query("CREATE INDEX vm_owner ON vm (name)")

        found = await check.all_indexes(database)

        assert found.level is Level.FAILED
        assert found.message.endswith(": vm_owner, vm_running_job")
        assert {"vm_owner", "vm_running_job"} <= {index.name for index in EXPECTED}

    async def test_names_can_not_be_searched(self, database: Database) -> None:
        drop = "DROP INDEX vm_search" if database.url.file is None else "DROP TRIGGER vm_search_renamed"
        await database.connection.execute_query(drop)

        found = await check.all_indexes(database)

        assert found.level is Level.FAILED
        assert "vm_search" in found.message


class TestAudit:
    async def test_it_is_guarded(self, database: Database) -> None:
        assert (await check.audit_guards(database)).level is Level.OK

    async def test_a_trigger_is_gone(self, database: Database) -> None:
        of_table = " ON audit_entry" if database.url.file is None else ""
        await database.connection.execute_query(f"DROP TRIGGER audit_entry_changed{of_table}")

        found = await check.audit_guards(database)

        assert found.level is Level.FAILED
        assert found.message.endswith("it lacks the triggers audit_entry_changed")
        assert "hostler audit verify" in str(found.remedy)


class TestIntegrity:
    async def test_a_sound_one(self, sqlite: Database, settings: Settings) -> None:
        found = only(await check.integrity(settings))

        assert await sqlite.pending() == []
        assert found.level is Level.OK
        assert re.search(r"\(0\.[1-9] MiB\)", found.message)

    async def test_a_reference_to_nothing(self, sqlite: Database, settings: Settings) -> None:
        with closing(sqlite3.connect(file_of(sqlite), isolation_level=None)) as connection:
            connection.execute(
                "INSERT INTO image (server_id, name, pool, format, capacity, allocation, last_seen, created_at,"
                " updated_at) VALUES (7, 'i', 'p', 'raw', 1, 1, '2026-01-01', '2026-01-01', '2026-01-01')"
            )

        found = only(await check.integrity(settings))

        assert found.level is Level.FAILED
        assert found.message == ("The database is damaged: row 1 of image refers to a row of server that is not there")
        assert "hostler db restore" in str(found.remedy)

    async def test_a_page_of_rubbish(self, sqlite: Database, settings: Settings) -> None:
        file = file_of(sqlite)
        await sqlite.disconnect()
        with closing(sqlite3.connect(file)) as connection:
            (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'job'").fetchone()
            (size,) = connection.execute("PRAGMA page_size").fetchone()
        with file.open("r+b") as opened:
            opened.seek((page - 1) * size)
            opened.write(b"\xff" * size)

        found = only(await check.integrity(settings))

        assert found.level is Level.FAILED

    async def test_postgresql_looks_after_itself(self, settings: Settings) -> None:
        assert await check.integrity(settings.model_copy(update={"database_url": "postgres://db/hostler"})) == []


class TestTimes:
    async def test_nothing_is_still_to_come(self, database: Database) -> None:
        await Event.create(kind="vm.changed", data={})
        await Server.create(hostname="h", libvirt_uri="test:///default", last_seen=datetime.now(UTC))

        assert only(await check.times(database)).level is Level.OK

    @pytest.mark.parametrize("what", ["event", "server"])
    async def test_something_is_still_to_come(self, database: Database, what: str) -> None:
        later = datetime.now(UTC) + timedelta(minutes=1)
        if what == "event":
            event = await Event.create(kind="vm.changed", data={})
            await Event.filter(id=event.id).update(at=later)
        else:
            await Server.create(hostname="h", libvirt_uri="test:///default", last_seen=later)

        found = only(await check.times(database))

        assert found.level is Level.WARNING
        assert "still to come" in found.message

    @pytest.mark.slow
    async def test_postgresqls_clock_is_another(self, settings: Settings, postgres_url: str) -> None:
        settings = settings.model_copy(update={"database_url": postgres_url})
        async with Database(settings) as database:
            await database.migrate()
            assert only(await check.times(database)).level is Level.OK
        with psycopg.connect(postgres_url) as connection:
            connection.execute("CREATE SCHEMA fast")
            connection.execute(
                "CREATE FUNCTION fast.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS"
                " $$ SELECT pg_catalog.clock_timestamp() + interval '70 s' $$"
            )
            name = config.parse(postgres_url).credentials["database"]
            connection.execute(f'ALTER DATABASE "{name}" SET search_path = fast, public, pg_catalog'.encode())

        async with Database(settings) as database:
            found = only(await check.times(database))

        assert found.level is Level.WARNING
        assert found.message == "PostgreSQL's clock is 70 s away from this machine's"
