# SPDX-License-Identifier: GPL-3.0-or-later
"""Old entries are deleted where the settings say so, and what is left can be checked as before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

import pytest
from tortoise.transactions import in_transaction

from hostler.audit import entry as entry_form
from hostler.audit import record as recording
from hostler.audit import retention
from hostler.audit.chain import Head, newest, verify
from hostler.audit.record import record
from hostler.audit.retention import prune_audit
from hostler.database import Database, append_only, rows
from tests.service.audit.conftest import audited, unguarded

pytestmark = pytest.mark.anyio


class Calendar(datetime):
    """What day it is to whoever writes entries."""

    days_ago = 0.0

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]  # it is a datetime, not a Calendar
        return datetime.now(tz) - timedelta(days=cls.days_ago)


@pytest.fixture(autouse=True)
def calendar(monkeypatch: pytest.MonkeyPatch) -> type[Calendar]:
    """The clock by which entries are dated, and no other."""
    monkeypatch.setattr(recording, "datetime", Calendar)
    monkeypatch.setattr(Calendar, "days_ago", 0.0)
    return Calendar


async def write(calendar: type[Calendar], *days_ago: float) -> None:
    for days in days_ago:
        calendar.days_ago = days
        async with in_transaction():
            record("test.write", details={"days_ago": days})
    calendar.days_ago = 0


async def aged(database: Database, calendar: type[Calendar]) -> None:
    """Have the chain begin with entries of some days ago, as if the database were as old."""
    await unguarded(database)
    await database.connection.execute_query("DELETE FROM audit_entry")
    await write(calendar, 100, 90, 80, 10, 5)
    await append_only.make_missing(database.connection)


async def test_entries_are_kept_for_ever_unless_the_settings_say_otherwise(
    database: Database, calendar: type[Calendar]
) -> None:
    await aged(database, calendar)

    assert await prune_audit(0) == 0
    assert len(await audited()) == 5


async def test_what_is_older_is_deleted_and_the_chain_says_so_and_is_whole(
    database: Database, calendar: type[Calendar]
) -> None:
    await aged(database, calendar)
    head = await newest()
    assert head is not None
    third = (await audited())[2]

    assert await prune_audit(30) == 3

    left = await audited()
    assert [entry["id"] for entry in left] == [4, 5, 6]
    pruned = left[-1]
    assert (pruned["action"], pruned["target_id"], pruned["auth"]) == ("audit.prune", 3, "service")
    assert pruned["after"]["hash"] == entry_form.hash_of(third)
    verdict = await verify(head)
    assert (verdict.problem, verdict.entries, verdict.first and verdict.first.id) == (None, 3, 4)
    assert await prune_audit(30) == 0
    assert len(await audited()) == 3, "an entry each hour that nothing was deleted after"


async def test_a_head_of_an_entry_that_was_pruned_is_compared_with_what_the_chain_says_of_it_or_not_at_all(
    database: Database, calendar: type[Calendar]
) -> None:
    await aged(database, calendar)
    first, _, third, fourth = (Head(entry["id"], entry_form.hash_of(entry)) for entry in (await audited())[:4])
    await prune_audit(30)

    verdict = await verify(first, third, fourth)
    assert (verdict.problem, verdict.not_compared) == (None, {first: 6})

    verdict = await verify(Head(third.id, first.hash))
    assert (verdict.broken, verdict.problem) == (3, "it is not the entry that entry 6 has pruned")


async def test_two_heads_of_one_entry_are_both_compared(database: Database, calendar: type[Calendar]) -> None:
    await aged(database, calendar)
    head = await newest()
    assert head is not None

    assert (await verify(Head(head.id, "0" * 64), head)).broken == head.id
    assert (await verify(head, head)).problem is None


async def test_it_is_pruned_again_and_again(database: Database, calendar: type[Calendar]) -> None:
    await aged(database, calendar)
    await prune_audit(85)
    await write(calendar, 0)
    await prune_audit(30)
    await write(calendar, 0)
    await prune_audit(3)

    assert [entry["action"] for entry in await audited()] == [
        "audit.prune",
        "test.write",
        "audit.prune",
        "test.write",
        "audit.prune",
    ]
    assert (await verify()).problem is None


async def test_the_newest_entry_stays_however_old_it_is(database: Database, calendar: type[Calendar]) -> None:
    await aged(database, calendar)

    await prune_audit(1)

    assert [entry["action"] for entry in await audited()] == ["audit.prune"]
    assert (await verify()).problem is None
    await write(calendar, 0)
    assert (await verify()).entries == 2


async def test_what_was_cut_off_in_the_middle_is_whole_and_goes_on(
    database: Database, calendar: type[Calendar], monkeypatch: pytest.MonkeyPatch
) -> None:
    await aged(database, calendar)
    monkeypatch.setattr(retention, "BATCH", 1)
    await retention._say_so(datetime.now(UTC) - timedelta(days=30))
    assert (await verify()).problem is None, "it says so, and nothing is deleted yet"
    await database.connection.execute_query("DELETE FROM audit_entry WHERE id <= 2")
    assert (await verify()).problem is None

    assert await prune_audit(30) == 1

    assert [entry["id"] for entry in await audited()] == [4, 5, 6]
    assert (await verify()).problem is None


async def test_only_what_the_chain_says_can_be_deleted_and_no_more(
    database: Database, calendar: type[Calendar]
) -> None:
    await aged(database, calendar)
    await prune_audit(30)

    with pytest.raises(Exception, match="only after the audit itself says so"):
        await database.connection.execute_query("DELETE FROM audit_entry WHERE id = 4")
    await unguarded(database)
    await database.connection.execute_query("DELETE FROM audit_entry WHERE id = 4")

    verdict = await verify()
    assert (verdict.broken, verdict.problem) == (4, "it is missing")


async def test_another_beginning_than_the_one_that_was_pruned_to_is_found(
    database: Database, calendar: type[Calendar]
) -> None:
    """Entries that were put into the place of pruned ones: the hash in the chain is not theirs."""
    await aged(database, calendar)
    third = (await audited())[2]
    await retention._say_so(datetime.now(UTC) - timedelta(days=30))
    await unguarded(database)
    changed = {**third, "actor": "mallory"}
    changed_hash = entry_form.hash_of(changed)
    await database.connection.execute_query(
        f"UPDATE audit_entry SET actor = 'mallory', hash = '{changed_hash}' WHERE id = 3"  # noqa: S608
    )
    await database.connection.execute_query("DELETE FROM audit_entry WHERE id <= 2")

    assert (await verify()).broken == 3


async def test_a_chain_whose_oldest_are_pruned_can_be_copied(database: Database, calendar: type[Calendar]) -> None:
    await aged(database, calendar)
    await prune_audit(30)
    numbers = [entry["id"] for entry in await audited()]
    await unguarded(database)
    await database.connection.execute_query("CREATE TABLE kept AS SELECT * FROM audit_entry")
    await database.connection.execute_query("DELETE FROM audit_entry")
    await append_only.make_missing(database.connection)

    for number in numbers:
        await rows("INSERT INTO audit_entry SELECT * FROM kept WHERE id = ?", number)

    assert (await verify()).problem is None


async def test_one_entry_of_a_wrong_clock_takes_no_younger_ones_along(
    database: Database, calendar: type[Calendar]
) -> None:
    await unguarded(database)
    await database.connection.execute_query("DELETE FROM audit_entry")
    await write(calendar, 100, 90, 10, 5, 20_000, 4)
    await append_only.make_missing(database.connection)

    assert await prune_audit(30) == 2

    assert [entry["id"] for entry in await audited()] == [3, 4, 5, 6, 7]
    assert (await verify()).problem is None
    assert await prune_audit(30) == 0, "what stands before the wrong one is young still"
    assert len(await audited()) == 5, "an entry each hour that nothing was deleted after"
