# SPDX-License-Identifier: GPL-3.0-or-later
"""Tortoise's backend for SQLite, as a service needs it: one writer, and a reader that never waits for it.

Tortoise's own has one connection and one lock, held for a whole transaction that begins deferred: every GET would
wait behind every write, and a read that turns into a write would fail at once when another process writes. Here

- a ``SELECT`` outside a transaction goes to a read-only connection, with no lock; in WAL mode it sees every write
  that was committed before it began, and waits for none;
- everything else goes to the writer, one transaction at a time, begun ``IMMEDIATE``, so that the busy timeout
  covers a second writer (a command beside the service);
- a transaction belongs to the task that opened it; a task that it started may not outlive it.

Tortoise finds the backend by this module's name, and its migrations find SQLite's schema editor by the ``sqlite``
in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Callable, Hashable, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from pypika_tortoise.dialects import SQLLiteQuery
from tortoise.backends.base.client import (
    BaseDBAsyncClient,
    TransactionalDBClient,
    TransactionContext,
)
from tortoise.backends.sqlite.client import SqliteClient
from tortoise.backends.sqlite.executor import SqliteExecutor
from tortoise.backends.sqlite.schema_generator import SqliteSchemaGenerator
from tortoise.connection import get_connections
from tortoise.exceptions import IntegrityError, OperationalError, TransactionManagementError

from hostler.database.commits import Ending, Savepoint
from hostler.database.many_rows import insert_many
from hostler.database.sqlite_thread import SqliteThread
from hostler.database.unavailable import DatabaseDamaged, DatabaseUnavailable

if TYPE_CHECKING:
    from tortoise.connection import ConnectionToken

    from hostler.database.queries import Steps

T = TypeVar("T")
Call = Callable[[sqlite3.Connection], T]
Values = Sequence[Any] | None

BUSY_SECONDS = 10
"""How long a write waits for a write of another process before it fails, in seconds."""

_UNAVAILABLE_CODES = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
    }
)
_savepoint_numbers = count(1)
_client_numbers = count(1)  # the versions that SQLite counts are each connection's own


async def _on(thread: SqliteThread | None, call: Call[T]) -> T:
    """Run ``call`` on ``thread``; raises Tortoise's errors, and DatabaseUnavailable, for sqlite3's."""
    if thread is None:
        raise DatabaseUnavailable("it is not connected")
    try:
        return await thread.submit(call)
    except sqlite3.IntegrityError as error:
        raise IntegrityError(error) from error
    except sqlite3.OperationalError as error:
        # the low byte is the primary code, the rest its details
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _UNAVAILABLE_CODES:
            raise DatabaseUnavailable(error) from error
        if str(error).startswith("Could not decode to UTF-8"):  # sqlite3's own, it has no code
            raise DatabaseDamaged(error) from error
        raise OperationalError(error) from error


def _is_read(query: str) -> bool:
    return query.lstrip()[:6].upper() == "SELECT"


def _query(query: str, values: Values) -> Call[tuple[int, list[Any]]]:
    """Return a call that answers the number of rows (affected, or found) and the rows found."""
    # Tortoise writes texts of its own into queries; a NUL would end the statement
    text = query.replace("\x00", "'||CHAR(0)||'") if "\x00" in query else query

    def call(connection: sqlite3.Connection) -> tuple[int, list[Any]]:
        cursor = connection.execute(text, values or ())
        found = cursor.fetchall()
        return (len(found) if cursor.rowcount < 0 else cursor.rowcount), found

    return call


def _insert(query: str, values: Values) -> Call[int]:
    return lambda connection: connection.execute(query, values or ()).lastrowid or 0


def _many(query: str, values: Sequence[Sequence[Any]]) -> Call[None]:
    def call(connection: sqlite3.Connection) -> None:
        insert_many(connection, query, values)

    return call


def _script(statements: str) -> Call[None]:
    def call(connection: sqlite3.Connection) -> None:
        connection.executescript(statements)

    return call


def _statement(query: str) -> Call[None]:
    def call(connection: sqlite3.Connection) -> None:
        connection.execute(query)

    return call


def _steps(steps: Steps[T], name: int) -> Call[T]:
    """Return a call that runs the steps in one read transaction, so that all of them see the same."""

    def call(connection: sqlite3.Connection) -> T:
        connection.execute("BEGIN")
        try:
            # changes with every commit of any other connection; here it also begins the snapshot
            (version,) = connection.execute("PRAGMA data_version").fetchone()
            queries = steps((name, version))
            try:
                query, values = next(queries)
                while True:
                    query, values = queries.send(connection.execute(query, values).fetchall())
            except StopIteration as end:
                result: T = end.value
                return result
        finally:
            connection.execute("COMMIT")

    return call


def _rollback(connection: sqlite3.Connection) -> None:
    with contextlib.suppress(sqlite3.Error):  # a full disk has rolled back already
        connection.rollback()


class _Dialect(BaseDBAsyncClient):
    """What Tortoise asks of any client for SQLite."""

    executor_class = SqliteExecutor
    query_class = SQLLiteQuery
    schema_generator = SqliteSchemaGenerator
    capabilities = SqliteClient.capabilities


class WalClient(_Dialect):
    """A SQLite database with a writer and a read-only reader; made by Tortoise from ``database.config``."""

    def __init__(self, file_path: str, connection_name: str) -> None:
        super().__init__(connection_name)
        self.filename = file_path
        self.writer: SqliteThread | None = None
        self.reader: SqliteThread | None = None
        self._watcher: sqlite3.Connection | None = None
        self.write_lock = asyncio.Lock()
        self._number = next(_client_numbers)

    async def create_connection(self, with_db: bool) -> None:  # noqa: ARG002 - Tortoise's signature
        """Connect both; makes the file, readable by its owner only, where it is missing."""
        if self.writer is not None:
            return
        writer = SqliteThread("hostler-sqlite-writer", self._connect_writer)
        reader = SqliteThread("hostler-sqlite-reader", self._connect_reader)
        try:
            await writer.open()
            watcher = self._connect_watcher()
            await reader.open()
        except (sqlite3.Error, OSError) as error:
            await writer.close()
            raise DatabaseUnavailable(f"the file {self.filename} can't be opened: {error}") from error
        self.writer, self.reader, self._watcher = writer, reader, watcher
        await self._post_connect()

    async def close(self) -> None:
        """Finish what is queued and close both connections; may be called again."""
        writer, reader, watcher = self.writer, self.reader, self._watcher
        self.writer = self.reader = self._watcher = None
        if watcher is not None:
            watcher.close()
        if reader is not None:
            await reader.close()
        if writer is not None:
            # last: closing the last connection folds the write-ahead log into the file
            await writer.close()

    def _connect_writer(self) -> sqlite3.Connection:
        # sqlite makes its -wal and -shm files with the mode of the database
        os.close(os.open(self.filename, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = self._connect("rw")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA journal_size_limit=16777216")
        return connection

    def _connect_reader(self) -> sqlite3.Connection:
        connection = self._connect("ro")
        connection.execute("PRAGMA query_only=ON")
        return connection

    def _connect_watcher(self) -> sqlite3.Connection:
        # the event loop's own: it reads what takes microseconds, and never waits
        watcher = sqlite3.connect(f"file:{quote(self.filename)}?mode=ro", uri=True, timeout=0, isolation_level=None)
        watcher.row_factory = sqlite3.Row
        return watcher

    def version_now(self) -> Hashable | None:
        """The version of all that is committed, by whomever, in microseconds; None while the file is locked."""
        if self._watcher is None:
            return None
        try:
            (version,) = self._watcher.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error:
            return None
        return self._number, version

    def read_now(self, query: str, values: Sequence[Any]) -> list[Any] | None:
        """The rows of a query that takes microseconds, read in the event loop's own thread; None if it would wait."""
        if self._watcher is None:
            return None
        try:
            return self._watcher.execute(query, values).fetchall()
        except sqlite3.Error:
            return None

    def _connect(self, mode: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"file:{quote(self.filename)}?mode={mode}",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,  # we say BEGIN ourselves
            cached_statements=512,
        )
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA temp_store=MEMORY")
        # SQLite's own knows A to Z alone, and searches in any case go by it
        connection.create_function("UPPER", 1, _upper, deterministic=True)
        return connection

    def _in_transaction(self) -> TransactionContext:
        return _ImmediateTransaction(self)

    async def execute_insert(self, query: str, values: Values) -> int:
        """Insert a row and return its rowid."""
        async with self.write_lock:
            return await _on(self.writer, _insert(query, values))

    async def execute_many(self, query: str, values: Sequence[Sequence[Any]]) -> None:
        """Run one statement for many rows, in a transaction of its own."""
        async with _ImmediateTransaction(self) as transaction:
            await transaction.execute_many(query, values)

    async def execute_query(self, query: str, values: Values = None) -> tuple[int, Sequence[Any]]:
        """Run a query, a ``SELECT`` on the reader, else on the writer; returns (rows affected or found, rows)."""
        if _is_read(query):
            return await _on(self.reader, _query(query, values))
        async with self.write_lock:
            return await _on(self.writer, _query(query, values))

    async def read(self, steps: Steps[T]) -> T:
        """Run queries that follow from each other on the reader, as one snapshot: see `hostler.database.queries`."""
        return await _on(self.reader, _steps(steps, self._number))

    async def execute_script(self, query: str) -> None:
        """Run several statements, each on its own."""
        async with self.write_lock:
            await _on(self.writer, _script(query))


def _upper(text: str | None) -> str | None:
    return None if text is None else text.upper()


class _ImmediateTransaction(TransactionContext):
    """``async with``: takes the writer, begins, and commits, or rolls back where the block raises."""

    def __init__(self, client: WalClient) -> None:
        self._parent = client
        self._transaction = SqliteTransaction(client)
        self._token: ConnectionToken | None = None
        self._ending: Ending | None = None

    async def __aenter__(self) -> SqliteTransaction:
        await self._parent.write_lock.acquire()
        try:
            await self._transaction.begin()
        except BaseException:
            self._transaction.abandon()
            self._parent.write_lock.release()
            raise
        self._token = get_connections().set(self._parent.connection_name, self._transaction)
        self._ending = Ending()
        return self._transaction

    async def __aexit__(self, exc_type: object, exc_val: object, exc_tb: object) -> None:
        assert self._ending is not None  # noqa: S101 - set on the way in
        committed = False
        try:
            if not self._transaction.finalized:
                if exc_type is None:
                    await self._ending.write()
                    await self._transaction.commit()
                else:
                    await self._transaction.rollback()
            committed = exc_type is None
        finally:
            self._transaction.abandon()
            get_connections().reset(self._token)
            self._parent.write_lock.release()
            self._ending.over(committed)


class SqliteTransaction(_Dialect, TransactionalDBClient):
    """The client that a task sees inside a transaction: everything, reads too, on the writer's connection."""

    def __init__(self, parent: WalClient | SqliteTransaction) -> None:
        super().__init__(parent.connection_name)
        self.writer: SqliteThread | None = parent.writer
        self._bound_loop = parent._bound_loop  # noqa: SLF001 - Tortoise's own contract between a client and its transactions
        self._finalized = False
        self._savepoint = ""

    @property
    def finalized(self) -> bool:
        """Whether it is over."""
        return self._finalized

    def _in_transaction(self) -> TransactionContext:
        return Savepoint(SqliteTransaction(self))

    async def _run(self, call: Call[T]) -> T:
        if self._finalized:
            raise TransactionManagementError(
                "This transaction is over: a task that it started has outlived it, or the code after it kept its client"
            )
        return await _on(self.writer, call)

    def abandon(self) -> None:
        """End it: nothing more runs through this client, and what is still open is rolled back.

        The rollback is queued at once, without awaiting it, so that it works in a cancelled task, too, and stands
        before the next ``BEGIN``. After a commit it finds nothing to do.
        """
        if self.writer is not None and not self._finalized:
            self.writer.submit(_rollback)
        self._finalized = True

    async def begin(self) -> None:
        """Begin, as the writer from the first moment on; raises DatabaseUnavailable after BUSY_SECONDS of another's."""
        await self._run(_statement("BEGIN IMMEDIATE"))

    async def commit(self) -> None:
        """Commit."""
        await self._run(_statement("COMMIT"))
        self._finalized = True

    async def rollback(self) -> None:
        """Roll back."""
        await self._run(_rollback)
        self._finalized = True

    async def savepoint(self) -> None:
        """Begin a transaction within the transaction."""
        self._savepoint = f"hostler_{next(_savepoint_numbers)}"
        await self._run(_statement(f"SAVEPOINT {self._savepoint}"))

    async def savepoint_rollback(self) -> None:
        """Undo the inner transaction; the outer one goes on."""
        await self._run(_statement(f"ROLLBACK TO {self._savepoint}"))
        await self._run(_statement(f"RELEASE {self._savepoint}"))

    async def release_savepoint(self) -> None:
        """Keep what the inner transaction did, if the outer one commits."""
        await self._run(_statement(f"RELEASE {self._savepoint}"))

    async def execute_insert(self, query: str, values: Values) -> int:
        """Insert a row and return its rowid."""
        return await self._run(_insert(query, values))

    async def execute_many(self, query: str, values: Sequence[Sequence[Any]]) -> None:
        """Run one statement for many rows."""
        await self._run(_many(query, values))

    async def execute_query(self, query: str, values: Values = None) -> tuple[int, Sequence[Any]]:
        """Run a query; returns (rows affected or found, rows)."""
        return await self._run(_query(query, values))

    async def execute_script(self, query: str) -> None:
        """Refuse: sqlite3 would commit before it ran the script."""
        raise TransactionManagementError(f"A script can't run inside a transaction: {query[:60]}")


client_class = WalClient
