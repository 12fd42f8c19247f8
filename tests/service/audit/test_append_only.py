# SPDX-License-Identifier: GPL-3.0-or-later
"""The database itself holds that the audit is append-only, whoever writes to it by SQL."""

from __future__ import annotations

import pytest
from tortoise.transactions import in_transaction

from hostler.audit.chain import verify
from hostler.audit.record import record
from hostler.database import Database, append_only, rows
from hostler.database.append_only import AuditUnguarded
from hostler.settings import Settings
from tests.service.audit.conftest import audited, unguarded
from tests.service.conftest import DATABASE

pytestmark = pytest.mark.anyio

INSERT = """
INTO audit_entry (id, action, target_id, previous_hash, at, actor, auth, outcome, hash)
SELECT CAST(? AS INTEGER), ?, CAST(? AS INTEGER), hash, at, actor, auth, outcome, 'new' FROM audit_entry WHERE id = ?
"""
"""With the number, action and target of an entry, and after which it comes, all but one word of a statement."""


@pytest.fixture
async def written(database: Database) -> Database:
    for _ in range(3):
        async with in_transaction():
            record("test.write", after={"a": 1})
    return database


CHANGES = {
    "a change": "UPDATE audit_entry SET actor = 'nobody' WHERE id = 2",
    "a change of all": "UPDATE audit_entry SET address = NULL",
    "a change to what it is": "UPDATE audit_entry SET actor = actor",
    "a delete": "DELETE FROM audit_entry WHERE id = 4",
    "a delete of the oldest": "DELETE FROM audit_entry WHERE id = 1",
    "a delete of all": "DELETE FROM audit_entry",
}
REFUSED: dict[str, tuple[object, ...]] = {
    **{name: (statement,) for name, statement in CHANGES.items()},
    "a number that leaves a gap": ("INSERT" + INSERT, 6, "a.b", None, 4),
    "a second entry of a number": ("INSERT" + INSERT, 3, "a.b", None, 2),
    "an entry that does not follow": ("INSERT" + INSERT, 5, "a.b", None, 3),
    "one that lets itself be deleted": ("INSERT" + INSERT, 5, "audit.prune", 5, 4),
    "one that lets what comes be deleted": ("INSERT" + INSERT, 5, "audit.prune", 1000, 4),
    "one that does not say how much": ("INSERT" + INSERT, 5, "audit.prune", None, 4),
}
if DATABASE == "sqlite":
    REFUSED["a replacement"] = ("INSERT OR REPLACE" + INSERT, 3, "a.b", None, 2)
    REFUSED["a replacement of the newest"] = ("REPLACE" + INSERT, 4, "a.b", None, 3)
else:
    REFUSED["an emptying"] = ("TRUNCATE audit_entry",)
    upsert = "INSERT" + INSERT + "ON CONFLICT (id) DO UPDATE SET actor = 'nobody'"
    REFUSED["an upsert"] = (upsert, 3, "a.b", None, 2)


@pytest.mark.parametrize("what", REFUSED)
async def test_the_database_refuses(written: Database, what: str) -> None:
    before = await audited()

    with pytest.raises(Exception, match="audit"):
        await rows(*REFUSED[what])  # type: ignore[arg-type]  # the first is the statement

    assert await audited() == before
    assert (await verify()).problem is None


async def test_the_next_entry_by_hand_is_taken_and_found_if_its_hash_is_none(written: Database) -> None:
    await rows("INSERT" + INSERT, 5, "a.b", None, 4)

    assert (await verify()).broken == 5


async def test_nothing_but_the_triggers_refuses(written: Database) -> None:
    await unguarded(written)

    await rows(CHANGES["a change"])

    assert (await verify()).broken == 2


DROPPED = ["audit_entry_changed", "audit_entry_deleted", "audit_entry_added"]


@pytest.mark.parametrize("name", DROPPED)
async def test_a_dropped_trigger_is_noticed_and_made_again_and_that_is_on_record(
    database: Database, settings: Settings, name: str
) -> None:
    await append_only.check(database.connection)
    of_table = "" if DATABASE == "sqlite" else " ON audit_entry"
    await database.connection.execute_query(f"DROP TRIGGER {name}{of_table}")
    await database.disconnect()

    with pytest.raises(AuditUnguarded, match=rf"{name}.*hostler audit verify.*hostler migrate"):
        async with Database(settings).for_service():
            pass
    await database.connect()
    await database.migrate()

    await append_only.check(database.connection)
    (entry,) = await audited("audit.guard")
    assert entry["after"] == {"triggers": [name]}


async def test_a_trigger_that_does_something_else_or_nothing_is_noticed(database: Database) -> None:
    if DATABASE == "sqlite":
        await database.connection.execute_query("DROP TRIGGER audit_entry_changed")
        await database.connection.execute_query(
            "CREATE TRIGGER audit_entry_changed BEFORE UPDATE ON audit_entry WHEN 0 "
            "BEGIN SELECT RAISE(ABORT, 'entries of the audit are never changed'); END"
        )
        assert await append_only.missing(database.connection) == ["audit_entry_changed"]
        return
    await database.connection.execute_query("ALTER TABLE audit_entry DISABLE TRIGGER audit_entry_deleted")
    await database.connection.execute_query(
        "CREATE OR REPLACE FUNCTION audit_entry_changed() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$"
    )
    assert await append_only.missing(database.connection) == ["audit_entry_changed", "audit_entry_deleted"]
    await database.migrate()
    assert await append_only.missing(database.connection) == []


only_postgres = pytest.mark.skipif(DATABASE != "postgres", reason="SQLite's triggers know no other table of that name")


@only_postgres
@pytest.mark.parametrize("what", ["a delete", "a number that leaves a gap"])
async def test_a_temporary_table_of_the_same_name_does_not_talk_the_triggers_round(
    written: Database, what: str
) -> None:
    """Whoever is connected may make one, and it comes before all others in the session's path."""
    statement = {
        "a delete": "DELETE FROM public.audit_entry WHERE id = 4",
        "a number that leaves a gap": "INSERT INTO public.audit_entry (id, action, previous_hash, at, actor, auth, "
        "outcome, hash) SELECT 9, 'a.b', hash, at, actor, auth, outcome, 'new' FROM public.audit_entry WHERE id = 4",
    }[what]

    with pytest.raises(Exception, match="audit"):
        async with in_transaction() as connection:
            await connection.execute_query(
                "CREATE TEMP TABLE audit_entry ON COMMIT DROP AS SELECT * FROM public.audit_entry WHERE id = 4"
            )
            await connection.execute_query("UPDATE audit_entry SET id = 8, action = 'audit.prune', target_id = 1000")
            await connection.execute_query(statement)

    assert [entry["id"] for entry in await audited()] == [1, 2, 3, 4]


@only_postgres
async def test_functions_that_ask_the_sessions_path_are_renewed_by_a_migration(database: Database) -> None:
    for name in ("audit_entry_deleted", "audit_entry_added"):
        await database.connection.execute_query(f"ALTER FUNCTION {name}() RESET search_path")
    assert await append_only.missing(database.connection) == ["audit_entry_deleted", "audit_entry_added"]

    await database.migrate()

    assert await append_only.missing(database.connection) == []
