# SPDX-License-Identifier: GPL-3.0-or-later
"""The chain: what is written can be checked by whoever knows the format, and whatever is done to it is found."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from tortoise.exceptions import OperationalError, TransactionManagementError
from tortoise.transactions import in_transaction

from hostler.accounts.models import User
from hostler.audit import chain
from hostler.audit.chain import Head, entries, newest, verify
from hostler.audit.entry import FIELDS
from hostler.audit.models import AuditEntry
from hostler.audit.record import PRUNE, Target, record
from hostler.database import Database, append_only
from hostler.errors import OperatorError
from tests.service.audit.conftest import audited, unguarded
from tests.service.conftest import DATABASE

pytestmark = pytest.mark.anyio


async def write(*names: str) -> None:
    for name in names:
        async with in_transaction():
            record("test.write", target=Target("test", 1, name), after={"name": name, "size": 0.125, "whole": 4.0})


async def test_entries_are_numbered_without_a_gap_and_each_has_the_hash_of_the_one_before(database: Database) -> None:
    await write("a", "b")
    async with in_transaction():
        record("test.write", target=Target("test", 2, "c"))
        record("test.write", target=Target("test", 3, "d"))

    found = [(entry["id"], entry["previous_hash"], own) async for entry, own in entries()]

    assert [number for number, _, _ in found] == [1, 2, 3, 4, 5]
    assert [previous for _, previous, _ in found] == ["0" * 64, *(own for _, _, own in found[:-1])]
    verdict = await verify()
    assert (verdict.entries, verdict.problem) == (5, None)
    assert str(verdict.head) == f"5:{found[-1][2]}"


async def test_the_hash_is_what_docs_say_it_is(database: Database) -> None:
    await write("Zoë \u202e 'x'\n\U0001f600")

    shown = [{**entry, "hash": own} async for entry, own in entries()]

    assert shown[-1]["after"] == {"name": "Zoë \u202e 'x'\n\U0001f600", "size": 0.125, "whole": 4}
    for entry in shown:  # as docs/audit.md has it
        own = entry.pop("hash")
        text = json.dumps(entry, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        assert hashlib.sha256(text.encode()).hexdigest() == own


async def test_a_transaction_that_is_rolled_back_leaves_no_entry_and_no_gap(database: Database) -> None:
    await write("before")
    with pytest.raises(RuntimeError):
        async with in_transaction():
            await User.create(username="gone", username_key="gone", password_hash="-", permissions=[])
            record("test.gone")
            raise RuntimeError
    await write("after")

    assert await User.all().count() == 0
    assert [(entry["id"], entry["target_name"]) for entry in await audited("test.write")] == [
        (2, "before"),
        (3, "after"),
    ]
    assert await audited("test.gone") == []
    assert (await verify()).problem is None


async def test_a_savepoint_that_is_rolled_back_takes_its_entries_along_and_no_others(database: Database) -> None:
    async with in_transaction():
        record("test.first")
        with pytest.raises(RuntimeError):
            async with in_transaction():
                record("test.inner")
                raise RuntimeError
        async with in_transaction():
            record("test.last")

    assert [entry["action"] for entry in await audited()] == ["database.migrate", "test.first", "test.last"]


async def test_what_can_not_be_recorded_is_not_done(database: Database) -> None:
    """The entry is part of its transaction in the other direction, too."""
    with pytest.raises(Exception, match=r"too large|out of range"):
        async with in_transaction():
            await User.create(username="gone", username_key="gone", password_hash="-", permissions=[])
            record("test.bad", target=Target("test", 2**200))

    assert await User.all().count() == 0
    assert len(await audited()) == 1
    await write("and goes on")
    assert (await verify()).problem is None


async def test_nothing_is_recorded_outside_of_a_transaction(database: Database) -> None:
    with pytest.raises(TransactionManagementError):
        record("test.write")
    async with in_transaction():
        pass
    with pytest.raises(TransactionManagementError):
        record("test.write")


@pytest.mark.parametrize(
    "column",
    [
        "at",
        "actor_id",
        "actor",
        "auth",
        "token_prefix",
        "token_name",
        "address",
        "request_id",
        "action",
        "target_kind",
        "target_id",
        "target_name",
        "outcome",
        "before",
        "after",
        "details",
        "hash",
        "previous_hash",
    ],
)
async def test_a_change_of_any_column_is_found_and_named(database: Database, column: str) -> None:
    await write("a", "b", "c", "d")
    await unguarded(database)
    value = {
        "at": "'2020-01-01 00:00:00+00:00'",
        "actor_id": "7",
        "target_id": "7",
        "before": "'{}'",
        "after": '\'{"name":"another"}\'',
        "details": "'{}'",
    }.get(column, "'denied'")

    await database.connection.execute_query(f"UPDATE audit_entry SET {column} = {value} WHERE id = 3")  # noqa: S608

    verdict = await verify()
    assert verdict.broken == 3, verdict
    assert (verdict.head or Head(0, "")).id == 2


@pytest.mark.skipif(DATABASE == "postgres", reason="a column has its type there, and takes nothing else")
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("at", "'yesterday'"),
        ("at", "NULL"),
        ("before", "'{'"),
        ("after", "'{\"a\": NaN}'"),
        ("details", "x'00ff'"),
        ("actor_id", "x'00ff'"),
        ("hash", "7"),
        ("actor", "1e999"),
        ("actor", "CAST(x'ff' AS TEXT)"),
        ("action", "CAST(x'ff' AS TEXT)"),
    ],
)
async def test_what_no_column_should_hold_is_a_change_like_any_other(
    database: Database, column: str, value: str
) -> None:
    await write("a", "b", "c", "d")
    await unguarded(database)
    (table,) = await database.connection.execute_query_dict(
        "SELECT sql FROM sqlite_master WHERE name = 'audit_entry' AND type = 'table'"
    )
    await database.connection.execute_query("ALTER TABLE audit_entry RENAME TO strict_entry")
    await database.connection.execute_query(table["sql"].replace("NOT NULL", ""))
    await database.connection.execute_query("INSERT INTO audit_entry SELECT * FROM strict_entry")

    await database.connection.execute_query(f"UPDATE audit_entry SET {column} = {value} WHERE id = 3")  # noqa: S608

    assert (await verify()).broken == 3


async def test_an_entry_before_the_first_is_found(database: Database) -> None:
    await write("a", "b")
    await unguarded(database)
    columns = ", ".join(FIELDS[1:])
    await database.connection.execute_query(
        f"INSERT INTO audit_entry (id, {columns}, hash) SELECT -5, {columns}, hash FROM audit_entry WHERE id = 2"  # noqa: S608
    )

    verdict = await verify()

    assert verdict.broken == -5
    assert "numbers begin with 1" in str(verdict.problem)


@pytest.mark.skipif(DATABASE == "postgres", reason="the trigger is SQLite's")
async def test_what_a_strange_trigger_would_have_vanish_is_not_done(database: Database) -> None:
    await write("a")
    await database.connection.execute_query(
        "CREATE TRIGGER strange BEFORE INSERT ON audit_entry WHEN NEW.target_name = 'b' BEGIN SELECT RAISE(IGNORE); END"
    )

    with pytest.raises(OperationalError, match="a trigger that is not ours"):
        await write("b")

    assert await append_only.strange(database.connection) == ["strange"]
    assert (await verify()).problem is None


async def test_what_is_pruned_while_the_chain_is_read_is_not_missed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read in pieces, the chain is not one moment's."""
    monkeypatch.setattr(chain, "_PIECE", 2)
    await write(*"abcdefgh")
    third = [entry async for entry in entries()][5]
    read: list[int] = []
    as_it_is = chain.rows

    async def rows_and_prune(query: str, *values: Any) -> Any:
        found = await as_it_is(query, *values)
        read.append(len(found))
        if len(read) == 3:  # the marks, and two pieces
            async with in_transaction():
                record(PRUNE, target=Target("audit", 6), after={"hash": third[1]})
            await AuditEntry.filter(id__lte=6).delete()
        return found

    monkeypatch.setattr(chain, "rows", rows_and_prune)

    verdict = await verify()

    assert verdict.problem is None
    assert verdict.head is not None
    assert verdict.head.id == 10


async def test_an_entry_that_is_taken_out_is_found_and_named(database: Database) -> None:
    await write("a", "b", "c", "d")
    await unguarded(database)

    await database.connection.execute_query("DELETE FROM audit_entry WHERE id = 3")

    verdict = await verify()
    assert (verdict.broken, verdict.problem) == (3, "it is missing")


async def test_entries_that_are_taken_away_from_the_beginning_are_missed(database: Database) -> None:
    await write("a", "b", "c")
    await unguarded(database)

    await database.connection.execute_query("DELETE FROM audit_entry WHERE id <= 2")

    verdict = await verify()
    assert (verdict.broken, verdict.problem) == (1, "it and all up to entry 2 are missing")


async def test_an_emptied_table_is_no_good_chain(database: Database) -> None:
    await unguarded(database)
    await database.connection.execute_query("DELETE FROM audit_entry")

    assert (await verify()).broken == 1


async def test_an_entry_with_another_number_is_found(database: Database) -> None:
    await write("a", "b", "c")
    await unguarded(database)

    await database.connection.execute_query("UPDATE audit_entry SET id = 40 WHERE id = 4")

    assert (await verify()).broken == 4


async def test_the_newest_are_missed_by_whoever_kept_a_head(database: Database) -> None:
    await write("a", "b", "c")
    head = await newest()
    assert head is not None
    assert (await verify(head)).problem is None
    await unguarded(database)
    await database.connection.execute_query("DELETE FROM audit_entry WHERE id > 2")

    assert (await verify()).problem is None, "nothing in what is left tells of it"
    verdict = await verify(Head.of(str(head)))

    assert (verdict.broken, verdict.problem) == (3, "it and all up to entry 4 are missing, which was the head")


async def test_a_chain_that_was_written_anew_is_not_the_one_whose_head_was_kept(database: Database) -> None:
    await write("a", "b")
    head = await newest()
    assert head is not None
    await unguarded(database)
    await database.connection.execute_query("DELETE FROM audit_entry WHERE id > 1")
    await write("x", "y", "z")

    assert (await verify()).problem is None
    assert (await verify(head)).broken == 3


@pytest.mark.parametrize("words", ["", "3", "x:" + "0" * 64, "3:" + "0" * 63, "3:" + "g" * 64, "-1:" + "0" * 64])
async def test_what_is_no_head_is_refused(words: str) -> None:
    with pytest.raises(OperatorError, match="is no head"):
        Head.of(words)


async def test_hostile_texts_and_numbers_are_stored_as_they_are_hashed(database: Database) -> None:
    hostile: dict[str, Any] = {
        "nul": "a\x00b",
        "half a pair": "\ud800",
        "huge": 2**70,
        "large": 1e300,
        "tiny": 1e-9,
        "nan": float("nan"),
        "minus zero": -0.0,
        "nested": [{"deep": [True, None, 1.5, 4.0]}],
        "\x00name": 1,
    }
    async with in_transaction():
        record("test.hostile", target=Target("test", 1, "n" * 999), after=hostile)

    assert (await verify()).problem is None
    (entry,) = await audited("test.hostile")
    assert entry["after"]["nested"] == [{"deep": [True, None, 1.5, 4]}]
    assert entry["after"]["nul"] == "a\ufffdb"
    assert len(entry["target_name"]) == 255


async def test_what_looks_like_a_secret_is_never_stored(database: Database) -> None:
    token = "hostler_abcdefgh_" + "x" * 40
    async with in_transaction():
        record("test.secret", after={"password": "hunter22", "note": f"use {token}", "uri": "ssh://ada:pw@host/"})

    (entry,) = await audited("test.secret")
    assert entry["after"] == {"password": "***", "note": "use ***", "uri": "ssh://***@host/"}
