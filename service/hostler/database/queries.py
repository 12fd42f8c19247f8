# SPDX-License-Identifier: GPL-3.0-or-later
"""Hand-written SQL, the same text for both databases: placeholders are ``?``, which stand for nothing else.

Every row is read as ``row["column"]``, and its values have the order in which the query names them (`values_of`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Hashable, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.connection import get_connections

T = TypeVar("T")

Query = tuple[str, Sequence[Any]]
"""A query and its values."""
Steps = Callable[[Hashable], Generator[Query, Sequence[Any], T]]
"""Queries of which each may follow from what the ones before have found, as a generator: it yields a query, gets the
rows, and returns what it made of them. Its argument is the database's version: with equal versions nothing that can be
read is different. It runs in the database's thread, so it touches nothing that belongs to the event loop."""

_VERSION = "SELECT CAST(pg_current_snapshot() AS TEXT) AS version"


@lru_cache(maxsize=256)
def with_placeholders(query: str, dialect: str) -> str:
    """The query as the dialect's driver wants it."""
    return query if dialect == "sqlite" else query.replace("%", "%%").replace("?", "%s")


def marks(values: Collection[object]) -> str:
    """The placeholders of so many values, for what stands after ``IN``."""
    return ", ".join("?" * len(values))


def dialect() -> str:
    """``sqlite`` or ``postgres``."""
    (name,) = get_connections().db_config
    return name


def connection() -> BaseDBAsyncClient:
    """Tortoise's client, or the transaction that the task is in."""
    handler = get_connections()
    (name,) = handler.db_config
    client: BaseDBAsyncClient = handler.get(name)
    return client


def version_now() -> Hashable | None:
    """The database's version at this moment, told without waiting: with equal ones nothing in it is different.

    None where that can't be: on PostgreSQL, in a transaction, and while SQLite's file is locked.
    """
    handler = get_connections()
    (name,) = handler.db_config
    tell: Callable[[], Hashable | None] | None = getattr(handler.get(name), "version_now", None)
    return None if tell is None else tell()


def rows_now(query: str, *values: Any) -> Sequence[Any] | None:
    """Run a query that finds what it wants in an index, and at once; None where that can't be, as `version_now`.

    A visit to the database's thread takes several times as long as such a query, and the two threads wait for each
    other at each row. What may have to look at many rows belongs there all the same: the event loop stands still here.
    """
    handler = get_connections()
    (name,) = handler.db_config
    read_now: Callable[[str, Sequence[Any]], Sequence[Any] | None] | None
    read_now = getattr(handler.get(name), "read_now", None)
    return None if read_now is None else read_now(query, values)


async def rows(query: str, *values: Any) -> Sequence[Any]:
    """Run a query and return its rows. Outside a transaction a ``SELECT`` takes no lock."""
    handler = get_connections()
    (name,) = handler.db_config
    _, found = await handler.get(name).execute_query(with_placeholders(query, name), list(values))
    return found


async def write_many(statement: str, values: Sequence[Sequence[Any]]) -> None:
    """Run one statement for many rows; outside a transaction in one of its own."""
    handler = get_connections()
    (name,) = handler.db_config
    await handler.get(name).execute_many(with_placeholders(statement, name), [list(row) for row in values])


async def read(steps: Steps[T]) -> T:
    """Run queries that follow from each other, and return what came of them; never inside a transaction.

    On SQLite they are one visit to the reader's thread and see one state of the database. On PostgreSQL each sees what
    was committed before it.
    """
    handler = get_connections()
    (name,) = handler.db_config
    if name == "sqlite":
        found: T = await handler.get(name).read(steps)  # type: ignore[attr-defined]  # our own client's
        return found
    (row,) = await rows(_VERSION)
    return await _drive(steps((id(handler.get(name)), row["version"])))


async def _drive(queries: Generator[Query, Sequence[Any], T]) -> T:
    try:
        query, values = next(queries)
        while True:
            query, values = queries.send(await rows(query, *values))
    except StopIteration as end:
        result: T = end.value
        return result


def values_of(row: Any) -> Sequence[Any]:
    """The row's values, in the order of the query's columns."""
    return tuple(row.values()) if isinstance(row, dict) else row
