# SPDX-License-Identifier: GPL-3.0-or-later
"""One SQLite connection on a thread of its own.

aiosqlite does the same with several hops of the thread for one statement; here a call is one hop, and it is queued
the moment it is submitted, not when somebody awaits it. That makes cancellation safe: whoever is cancelled while
``BEGIN`` runs submits the ``ROLLBACK`` at once, and it stands in the queue before anything that comes later.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import sqlite3
    from typing import Any

T = TypeVar("T")


def _resolve(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return  # its waiter was cancelled; the call has happened all the same
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


class SqliteThread:
    """A connection, and the thread on which everything that touches it runs, in the order of submission."""

    def __init__(self, name: str, connect: Callable[[], sqlite3.Connection]) -> None:
        self._calls: SimpleQueue[tuple[asyncio.Future[Any], Callable[[sqlite3.Connection], Any]] | None] = SimpleQueue()
        self._connect = connect
        # a daemon: a process that ends without closing its database must not hang on it
        self._thread = Thread(target=self._work, name=name, daemon=True)
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._closed: asyncio.Future[None] = self._loop.create_future()

    async def open(self) -> None:
        """Start the thread and connect; raises what ``connect`` raises."""
        self._thread.start()
        await self._opened

    def submit(self, call: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """Queue ``call`` at once, and return the future of what it returns or raises."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._calls.put((future, call))
        return future

    async def close(self) -> None:
        """Finish what is queued, close the connection and end the thread; may be called again."""
        self._calls.put(None)
        await self._closed

    def _work(self) -> None:
        try:
            connection = self._connect()
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever awaits open()
            self._report(self._opened, None, error)
        else:
            self._report(self._opened, None, None)
            self._serve(connection)
            connection.close()
        self._report(self._closed, None, None)

    def _serve(self, connection: sqlite3.Connection) -> None:
        while (item := self._calls.get()) is not None:
            future, call = item
            result, failure = None, None
            try:
                result = call(connection)
            except BaseException as error:  # noqa: BLE001 - it belongs to whoever awaits the future
                failure = error
            self._report(future, result, failure)
            # or the last result set would live until the next call
            del item, future, call, result, failure

    def _report(self, future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(_resolve, future, result, error)
