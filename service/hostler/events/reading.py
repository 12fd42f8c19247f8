# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading events in the order of their ids, each once, and none past one that is still to come.

A transaction on PostgreSQL takes its ids before it commits, so that event 6 may be there before event 5; who had gone
on to 6 by then would never see 5. So where an id is missing, the reader waits for those who may still bring it: the
transactions that hold the table's lock for writers, which each takes before its first id and gives back when it has
committed. What is missing when they have ended was rolled back, and never comes. On SQLite, with one writer at a time,
no id is ever missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from tortoise.connection import get_connections

from hostler.database import rows
from hostler.events.sse import frame

HELD_UP_SECONDS = 0.02
"""How long to wait before a reader that is held up looks again; transactions are short."""

_COLUMNS = "SELECT id, kind, vm_id, server_id, CAST(data AS TEXT) AS data FROM event"  # the text as it was stored
_AFTER = f"{_COLUMNS} WHERE id > ? ORDER BY id LIMIT ?"
_BETWEEN = f"{_COLUMNS} WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"
_ENDS = "SELECT MIN(id) AS oldest, MAX(id) AS newest FROM event"
_WRITERS = """
SELECT virtualtransaction AS writer FROM pg_locks
WHERE locktype = 'relation' AND relation = 'event'::regclass AND mode = 'RowExclusiveLock' AND granted
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event, and the bytes that all who want it are sent."""

    id: int
    kind: str
    vm_id: int | None
    server_id: int | None
    frame: bytes

    @classmethod
    def of(cls, row: Any) -> EventRow:
        """The event of a row whose ``data`` is JSON."""
        return cls(
            row["id"], row["kind"], row["vm_id"], row["server_id"], frame(row["kind"], row["data"], str(row["id"]))
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """The ids of the first and the last event that are kept; the newest is never pruned."""

    oldest: int
    newest: int

    def follows(self, last_id: int) -> bool:
        """Whether all that came after that event is there; not if some is pruned, or it is another database's."""
        return self.oldest - 1 <= last_id <= self.newest


class EventReader:
    """Reads on from ``position``: all events up to there have been read, and no other will ever come before it."""

    def __init__(self, position: int) -> None:
        self.position = position
        self._orderly = _is_sqlite()
        self._bound = 0
        self._awaited: Collection[str] = ()

    @classmethod
    async def at_the_end(cls) -> EventReader:
        """A reader of what is committed from now on."""
        kept = await kept_events()
        if not _is_sqlite():
            awaited = await _writers()
            # they may be another process's
            while awaited & await _writers():  # noqa: ASYNC110
                await asyncio.sleep(HELD_UP_SECONDS)
        return cls(kept.newest)

    @property
    def is_held_up(self) -> bool:
        """Whether there is more, which waits for a transaction to end."""
        return self._bound > self.position

    async def read(self, limit: int) -> Sequence[EventRow]:
        """The next events, at most ``limit``."""
        found = await self._after(limit)
        settled = found if self._orderly else await self._settled(found, limit)
        if settled:
            self.position = settled[-1].id
        return settled

    async def _settled(self, found: Sequence[EventRow], limit: int) -> Sequence[EventRow]:
        whole = _without_gap(self.position, found)
        if len(whole) == len(found):
            return whole
        if not self.is_held_up:
            # asked after the rows were read: whoever is not among them had ended, or had not taken its ids yet
            self._bound, self._awaited = found[-1].id, await _writers()
        if self._awaited and set(self._awaited) & await _writers():
            return whole
        self._awaited = ()
        # read again: they have committed since, or never will
        return [row for row in await self._after(limit) if row.id <= self._bound]

    async def _after(self, limit: int) -> Sequence[EventRow]:
        return [EventRow.of(row) for row in await rows(_AFTER, self.position, limit)]


async def kept_events() -> Kept:
    """Which events there are; 0 to 0 where there are none."""
    (ends,) = await rows(_ENDS)
    return Kept(ends["oldest"] or 0, ends["newest"] or 0)


async def events_between(after: int, until: int, limit: int) -> Sequence[EventRow]:
    """Events with ids above ``after`` and not above ``until``, which some reader's position has reached."""
    return [EventRow.of(row) for row in await rows(_BETWEEN, after, until, limit)]


def _without_gap(position: int, found: Sequence[EventRow]) -> Sequence[EventRow]:
    return [row for number, row in enumerate(found, position + 1) if row.id == number]


async def _writers() -> set[str]:
    return {row["writer"] for row in await rows(_WRITERS)}


def _is_sqlite() -> bool:
    (dialect,) = get_connections().db_config
    return bool(dialect == "sqlite")
