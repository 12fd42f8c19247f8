# SPDX-License-Identifier: GPL-3.0-or-later
"""``hostler db copy``: what is in PostgreSQL afterwards is what was in SQLite, all of it, or nothing."""

from __future__ import annotations

import asyncio
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql

from hostler.app import create_app
from hostler.database import Database, append_only
from hostler.database.copying import copied_tables
from hostler.database.lock import service_lock
from hostler.database.tables import table_names
from hostler.settings import Settings
from tests.service.cli.command import Hostler, hostler, succeeded
from tests.service.conftest import ADMIN_PASSWORD, log_in
from tests.service.database import full

__all__ = ["hostler"]

pytestmark = pytest.mark.slow

Answers = dict[str, Any]


@pytest.fixture
def database_url() -> str:
    """The service begins on SQLite, whatever the other tests do."""
    return ""


@pytest.fixture(scope="module")
def filled(quick_passwords: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A service's state directory, and the token of its administrator."""
    settings = Settings(state_dir=tmp_path_factory.mktemp("filled"), admin_password=ADMIN_PASSWORD)
    return settings.state_dir, asyncio.run(full.fill(settings))


@pytest.fixture
def source(filled: tuple[Path, str], settings: Settings) -> Settings:
    """A service that has been in use, and is stopped."""
    shutil.copytree(filled[0], settings.state_dir)
    return settings


@pytest.fixture
def target(source: Settings, postgres_url: str, hostler: Hostler) -> Settings:
    """The same service on an empty, migrated PostgreSQL."""
    succeeded(hostler("migrate", HOSTLER_DATABASE_URL=postgres_url))
    return source.model_copy(update={"database_url": postgres_url})


@pytest.fixture
def on_source(source: Settings) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file_of(source), isolation_level=None)) as connection:
        connection.create_function("UPPER", 1, str.upper)
        yield connection


def file_of(settings: Settings) -> Path:
    return settings.state_dir / "hostler.sqlite3"


def ids() -> dict[str, int]:
    names = (
        "vm_id",
        "server_id",
        "job_id",
        "user_id",
        "token_id",
        "webhook_id",
        "credential_id",
        "image_id",
        "delivery_id",
        "schedule_id",
    )
    return dict.fromkeys(names, 1)


async def answers(settings: Settings, token: str = "") -> Answers:
    """What every GET without a time of its own answers, and searches; ``token`` has to be good at the end."""
    app = create_app(settings)
    found: Answers = {}
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://hostler.test") as client:
            # not by the token, of which it is shown when it was last used
            client.headers.update(await log_in(client, "admin", ADMIN_PASSWORD))
            paths = [path.format(**ids()) for path, methods in app.openapi()["paths"].items() if is_steady(methods)]
            searches = [
                "search=STRA",
                "search=Straße-1",
                "search=ße",
                "search=3",
                "per_page=7&page=5",
                "after_id=9",
            ]
            for path in [*paths, *(f"/api/vms?{query}" for query in searches)]:
                answer = await client.get(path)
                # of the audit the logins of this are a part; it is compared as a whole below
                if "statistics" not in path and path != "/api/audit":
                    found[path] = answer.status_code, answer.json()
            assert all(line["line"].endswith(full.ODD) for line in found["/api/jobs/1"][1]["log"])
            if token:
                by_token = await client.get("/api/auth/me", headers={"Authorization": f"Bearer {token}"})
                assert by_token.json()["username"] == "admin"
    return found


def is_steady(methods: dict[str, Any]) -> bool:
    """Whether its GET answers JSON, and not a stream."""
    content = methods.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
    return "application/json" in content


def copied(hostler: Hostler, url: str) -> str:
    return succeeded(hostler("db", "copy", "--to", url))


def rows_there(settings: Settings) -> dict[str, int]:
    """How many rows each table has; a migrated database has an entry of the audit that says so, and no other."""
    found = {}
    with psycopg.connect(settings.database_url) as connection:
        for name in table_names():
            query = sql.SQL("SELECT COUNT(*) FROM {}").format(sql.Identifier(name))
            found[name] = sum(count for (count,) in connection.execute(query))
    return found


def missing_triggers(settings: Settings) -> list[str]:
    async def look() -> list[str]:
        async with Database(settings) as database:
            return await append_only.missing(database.connection)

    return asyncio.run(look())


def test_the_source_has_something_in_every_column(source: Settings) -> None:
    assert full.empty_columns(file_of(source)) == []


def test_every_table_of_the_schema_is_one_that_is_copied(target: Settings) -> None:
    with psycopg.connect(target.database_url) as connection:
        there = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()").fetchall()

    assert {name for (name,) in there} == {*table_names(), "tortoise_migrations"}


def test_the_service_answers_the_same_on_both(
    source: Settings, target: Settings, filled: tuple[Path, str], hostler: Hostler
) -> None:
    before = asyncio.run(answers(source))
    assert len(before) > 25
    assert [path for path, (status, _) in before.items() if status != 200] == []

    said = copied(hostler, target.database_url)

    after = asyncio.run(answers(target, filled[1]))
    assert after.keys() == before.keys()
    for path, answer in before.items():
        assert after[path] == answer, path
    assert before["/api/vms?search=ße"][1]["total"] == 39
    shown = [line.split() for line in said.splitlines()[1:-1]]
    assert {line[0]: int(line[1]) for line in shown}.keys() == set(copied_tables())
    assert all(re.fullmatch(r"[0-9a-f]{64}", line[2]) for line in shown)
    assert "they are the same" in said


def test_no_id_is_given_again(
    source: Settings, target: Settings, on_source: sqlite3.Connection, hostler: Hostler
) -> None:
    highest = dict(on_source.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
    assert highest["vm"] > on_source.execute("SELECT MAX(id) FROM vm").fetchone()[0]

    copied(hostler, target.database_url)

    with psycopg.connect(target.database_url) as connection:
        # an entry of the audit has the number after that of the newest, which it has from no sequence
        for name in [table for table in copied_tables() if table != "audit_entry"]:
            row = connection.execute("SELECT nextval(pg_get_serial_sequence(%s, 'id'))", [name]).fetchone()
            assert row == (highest[name] + 1,), name


def test_a_secret_is_opened_with_the_same_keys(source: Settings, target: Settings, hostler: Hostler) -> None:
    from hostler.sealed import locked
    from hostler.sealing import load_sealer

    copied(hostler, target.database_url)

    async def look() -> list[str]:
        async with Database(target):
            return await locked(load_sealer(target))

    assert asyncio.run(look()) == []


def test_the_audit_arrives_whole_and_is_guarded_there(
    source: Settings, target: Settings, on_source: sqlite3.Connection, hostler: Hostler
) -> None:
    on_postgres = {"HOSTLER_DATABASE_URL": target.database_url}
    head = succeeded(hostler("audit", "head")).strip()
    entries = succeeded(hostler("audit", "list", "--json", "--limit", "0")).splitlines()
    assert rows_there(target)["audit_entry"] == 1, "of its making"
    assert len(entries) > 10

    copied(hostler, target.database_url)

    verified = succeeded(hostler("audit", "verify", "--head", head, **on_postgres))
    assert verified.startswith(f"{len(entries)} entries, 1 to {head}, are as they were written")
    assert succeeded(hostler("audit", "list", "--json", "--limit", "0", **on_postgres)).splitlines() == entries
    assert missing_triggers(target) == []
    with psycopg.connect(target.database_url) as connection, pytest.raises(psycopg.errors.RaiseException):
        connection.execute("DELETE FROM audit_entry")
    # and what is done there follows from what was done here
    succeeded(hostler("user", "delete", "ada", **on_postgres))
    assert f"{len(entries) + 1} entries" in succeeded(hostler("audit", "verify", "--head", head, **on_postgres))


def test_a_target_in_which_something_was_done_is_refused(target: Settings, hostler: Hostler) -> None:
    on_postgres = {"HOSTLER_DATABASE_URL": target.database_url}
    succeeded(hostler("user", "add", "eve", "--password-stdin", stdin="a long password\n", **on_postgres))
    succeeded(hostler("user", "delete", "eve", **on_postgres))
    before = rows_there(target)

    refused = hostler("db", "copy", "--to", target.database_url)

    assert refused.returncode == 1
    assert "The target is not empty: its table audit_entry has rows" in refused.stderr
    assert rows_there(target) == before


def test_a_target_that_is_not_empty_is_refused(target: Settings, hostler: Hostler) -> None:
    copied(hostler, target.database_url)
    before = rows_there(target)

    again = hostler("db", "copy", "--to", target.database_url)

    assert again.returncode == 1
    assert "The target is not empty: its table user_account has rows" in again.stderr
    assert rows_there(target) == before


def test_a_source_that_a_service_uses_is_refused(source: Settings, target: Settings, hostler: Hostler) -> None:
    before = rows_there(target)
    with service_lock(file_of(source)):
        refused = hostler("db", "copy", "--to", target.database_url)

    assert refused.returncode == 1
    assert "Another hostler service" in refused.stderr
    assert rows_there(target) == before


def test_a_source_or_a_target_that_is_not_up_to_date_is_refused(
    source: Settings, target: Settings, on_source: sqlite3.Connection, postgres_url: str, hostler: Hostler
) -> None:
    before = rows_there(target)
    with psycopg.connect(target.database_url) as connection:
        connection.execute("DELETE FROM tortoise_migrations WHERE id = (SELECT MAX(id) FROM tortoise_migrations)")
    refused = hostler("db", "copy", "--to", target.database_url)
    assert "The PostgreSQL database is older than this hostler" in refused.stderr

    on_source.execute("DELETE FROM tortoise_migrations WHERE id = (SELECT MAX(id) FROM tortoise_migrations)")
    refused = hostler("db", "copy", "--to", target.database_url)
    assert "The SQLite database is older than this hostler" in refused.stderr

    on_source.execute(
        "INSERT INTO tortoise_migrations (app, name, applied_at) VALUES ('hostler', '9999_x', '2026-01-01')"
    )
    refused = hostler("db", "copy", "--to", target.database_url)
    assert "A newer hostler has changed this database (9999_x)" in refused.stderr
    assert rows_there(target) == before


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ("UPDATE job_log SET line = 'a' || CHAR(0) WHERE id = 20", r"job_log: .*0x00"),
        ("UPDATE vm SET mac_address = 'too long for such an address' WHERE id = 30", r"vm: value too long.* line 30"),
        ("UPDATE event SET data = '{' WHERE id = 1", "event: "),
    ],
    ids=["nul", "too long", "no json"],
)
def test_what_goes_wrong_half_way_leaves_nothing(
    target: Settings, on_source: sqlite3.Connection, hostler: Hostler, spoil: str, said: str
) -> None:
    before = rows_there(target)
    on_source.execute(spoil)

    failed = hostler("db", "copy", "--to", target.database_url)

    assert failed.returncode == 1
    assert re.search(f"PostgreSQL can't take a row of {said}", failed.stderr)
    assert "Traceback" not in failed.stderr
    assert rows_there(target) == before
    assert missing_triggers(target) == []


def test_what_arrives_otherwise_is_not_kept(target: Settings, hostler: Hostler) -> None:
    before = rows_there(target)
    with psycopg.connect(target.database_url) as connection:
        connection.execute(
            "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN NEW.description := 'other'; RETURN NEW; END $$"
        )
        connection.execute("CREATE TRIGGER spoil BEFORE INSERT ON vm FOR EACH ROW EXECUTE FUNCTION spoil()")

    failed = hostler("db", "copy", "--to", target.database_url)

    assert "What has arrived of vm is not what was sent (39 rows" in failed.stderr
    assert rows_there(target) == before


def test_a_broken_source_is_not_copied(target: Settings, on_source: sqlite3.Connection, hostler: Hostler) -> None:
    on_source.execute("PRAGMA foreign_keys=OFF")
    on_source.execute("DELETE FROM server")

    failed = hostler("db", "copy", "--to", target.database_url)

    assert "is damaged: row 1 of image refers to a row of server that is not there" in failed.stderr


def test_what_can_not_be_copied_is_a_sentence(settings: Settings, postgres_url: str, hostler: Hostler) -> None:
    nothing = hostler("db", "copy", "--to", postgres_url)
    assert "There is no database" in nothing.stderr
    assert not file_of(settings).exists()

    from_postgres = hostler("db", "copy", "--to", postgres_url, HOSTLER_DATABASE_URL=postgres_url)
    assert "names PostgreSQL already" in from_postgres.stderr
    assert "--to should be" in hostler("db", "copy", "--to", "sqlite:///elsewhere").stderr


def test_a_server_that_is_not_there_is_a_sentence(source: Settings, hostler: Hostler) -> None:
    failed = hostler("db", "copy", "--to", "postgres://ada:a-password@127.0.0.1:1/hostler")

    assert re.match("hostler: PostgreSQL can't be used: .*refused", failed.stderr)
    assert "a-password" not in failed.stderr
