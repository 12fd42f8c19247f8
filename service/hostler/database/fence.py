# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to hold for whatever a task writes, asked in each of its transactions, before anything is written there.

For tasks that work in the name of a lease: one that slept through its end would write what it knew before. The
question locks what it finds, so that its answer stays true until the transaction has ended. PostgreSQL only: SQLite's
file has one service.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from hostler.database.queries import dialect, rows

if TYPE_CHECKING:
    from hostler.database.queries import Query

_condition: ContextVar[Query | None] = ContextVar("condition", default=None)


class Fenced(Exception):
    """What this task would write is another's to write by now."""


def fence(condition: Query) -> None:
    """Let this task, and those that it makes, write only where the query finds a row (``SELECT … FOR SHARE``)."""
    _condition.set(condition)


def condition() -> Query | None:
    """The query that has to find a row before this task writes."""
    return _condition.get()


async def check_fence() -> None:
    """Raise `Fenced` where this task may write nothing any more: before it does something other than write."""
    query = _condition.get()
    if query is not None and dialect() != "sqlite" and not await rows(query[0], *query[1]):
        raise Fenced
