# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection to PostgreSQL beside the pool's, to hear what other services say (``LISTEN``).

It is of one task only, which waits for nobody else's queries: what is said in time there stays in time, however many
requests wait for the pool.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from hostler.database import cancellation
from hostler.database.postgres_backend import GONE
from hostler.database.queries import rows
from hostler.database.unavailable import DatabaseUnavailable

_ANSWER_SECONDS = 4.0


async def say(channel: str, message: str) -> None:
    """Say something to all who listen to the channel, this process too; raises DatabaseUnavailable."""
    await rows("SELECT pg_notify(?, ?)", channel, message)


class Line:
    """The connection; closed until `open`, and again once it is lost."""

    def __init__(self, url: str, channel: str) -> None:
        self._url = url
        self._channel = channel
        self._connection: psycopg.AsyncConnection[Mapping[str, Any]] | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is not known to be lost."""
        return self._connection is not None

    async def open(self) -> None:
        """Connect, and hear the channel from now on. Raises DatabaseUnavailable."""
        with self._answered():
            async with asyncio.timeout(_ANSWER_SECONDS):
                self._connection = await psycopg.AsyncConnection.connect(
                    self._url,
                    autocommit=True,
                    row_factory=dict_row,
                    # a machine that is gone closes no connection: the kernel asks for it
                    keepalives_idle=3,
                    keepalives_interval=2,
                    keepalives_count=2,
                    tcp_user_timeout=7000,
                )
                await self._connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel)))

    async def run(self, statement: str, *values: object) -> Sequence[Mapping[str, Any]]:
        """Run a statement (its placeholders are ``%s``) and return its rows. Raises DatabaseUnavailable."""
        with self._answered():
            async with asyncio.timeout(_ANSWER_SECONDS):
                cursor = await self._opened().execute(statement.encode(), values)
                return await cursor.fetchall() if cursor.description else ()

    async def hear(self, seconds: float) -> list[str]:
        """Wait for messages, at most ``seconds``, and return those that came. Raises DatabaseUnavailable."""
        with self._answered():
            heard = self._opened().notifies(timeout=max(seconds, 0.0), stop_after=1)
            return [one.payload async for one in heard]

    async def close(self) -> None:
        """Hang up; may be called again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def _opened(self) -> psycopg.AsyncConnection[Mapping[str, Any]]:
        if self._connection is None:
            raise DatabaseUnavailable("it is not connected")
        return self._connection

    @contextlib.contextmanager
    def _answered(self) -> Iterator[None]:
        try:
            with cancellation.heeded():
                yield
        except TimeoutError:
            raise DatabaseUnavailable(f"no answer in {_ANSWER_SECONDS:g} s") from None
        except GONE as error:
            raise DatabaseUnavailable(error) from error
