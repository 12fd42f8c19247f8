# SPDX-License-Identifier: GPL-3.0-or-later
"""Copying a SQLite database to an empty PostgreSQL one: everything, or nothing.

One transaction on PostgreSQL holds it all. It ends only after what has arrived was read again and is the same, table
by table; whatever goes wrong before leaves the target as empty as it was. The source is held meanwhile: no service
works on it, and no command writes to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from hostler.database import Database, DatabaseUnavailable, config, indexes, search
from hostler.database.content import ContentDigest
from hostler.database.lock import service_lock
from hostler.database.migrate import SchemaTooOld
from hostler.database.sqlite_file import open_to_read, open_to_write, require_ours, require_sound
from hostler.database.tables import table_names
from hostler.errors import OperatorError
from hostler.settings import Settings

Progress = Callable[[str, int, int], None]
"""Is told the table, and how many of its rows are done, of how many."""

_OF_THE_MOMENT = ("host_lease", "service_process")
"""What says which services run; of the source's there is none."""
_OF_MIGRATIONS = ("database.migrate", "audit.guard")
"""What the audit of a database says that was only made."""

_AT_ONCE = 1000
_LOCK_SECONDS = 10  # how long whoever writes to the target is waited for


class CopyError(OperatorError):
    """A database can't be copied; the target is as it was."""


@dataclass(frozen=True, slots=True)
class CopiedTable:
    """A table that is in both now: how many rows, and the SHA-256 of what they hold."""

    name: str
    rows: int
    digest: str


@dataclass(frozen=True, slots=True)
class _Columns:
    names: Sequence[str]
    kinds: Sequence[str]


def copied_tables() -> list[str]:
    """The names of the tables that are copied, each after those that its rows refer to."""
    return [table for table in table_names() if table not in _OF_THE_MOMENT]


def copy(settings: Settings, url: str, progress: Progress) -> list[CopiedTable]:
    """Copy the settings' database to the one of ``url``, and return what is there now.

    Raises DatabaseInUse, SchemaTooOld, SchemaTooNew, CopyError, DatabaseFileError, DatabaseUnavailable.
    """
    source = config.parse(settings.database_url).file
    if source is None:
        raise CopyError("The setting database_url names PostgreSQL already; only a SQLite database can be copied")
    if not url.startswith(("postgres://", "postgresql://")):
        raise CopyError("--to should be postgres://user@host:port/name")
    target = settings.model_copy(update={"database_url": url})
    config.parse(url)
    # before anything is made where there is nothing, and before it is waited for what is not there
    with contextlib.closing(open_to_read(source)) as connection:
        require_ours(connection, source)
    with _postgres(url):
        pass
    with service_lock(source):
        asyncio.run(_require_current(settings, "SQLite", f"HOSTLER_DATABASE_URL=sqlite://{source} hostler migrate"))
        asyncio.run(_require_current(target, "PostgreSQL", "HOSTLER_DATABASE_URL=(what --to says) hostler migrate"))
        with _held(source) as sqlite, _postgres(url) as postgres:
            return _copy(sqlite, postgres, progress)


async def _require_current(settings: Settings, which: str, command: str) -> None:
    async with Database(settings) as database:
        if await database.pending():
            raise SchemaTooOld(f"The {which} database is older than this hostler; run '{command}' first")
        await indexes.check(database.connection)
        await search.check(database.connection)


@contextlib.contextmanager
def _held(source: Path) -> Iterator[sqlite3.Connection]:
    """The source, sound, and nobody writes to it in the block."""
    with contextlib.closing(open_to_write(source)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise DatabaseUnavailable(error) from error
        require_sound(connection, source)
        yield connection
        connection.execute("ROLLBACK")


@contextlib.contextmanager
def _postgres(url: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A transaction on the target, which is committed at the end of the block, unless it raises."""
    try:
        with psycopg.connect(url, connect_timeout=config.POOL_SECONDS) as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise CopyError(f"PostgreSQL can't be used: {str(error).strip()}") from error


def _copy(
    source: sqlite3.Connection, target: psycopg.Connection[tuple[Any, ...]], progress: Progress
) -> list[CopiedTable]:
    tables = copied_tables()
    target.execute("SET LOCAL timezone = 'UTC'")
    target.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(f"{_LOCK_SECONDS}s"))
    target.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(sql.SQL(", ").join(map(sql.Identifier, tables))))
    _forget_making(target)
    _require_empty(target, tables)
    columns = {table: _columns(source, target, table) for table in tables}
    sent = [_send(source, target, table, columns[table], progress) for table in tables]
    for table in tables:
        _set_sequence(source, target, table)
        target.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(table)))
    for one in sent:
        arrived = _arrived(target, one.name, columns[one.name])
        if arrived != one:
            raise CopyError(
                f"What has arrived of {one.name} is not what was sent ({arrived.rows} rows with the checksum "
                f"{arrived.digest}, not {one.rows} with {one.digest}); nothing was kept"
            )
    return sent


def _forget_making(target: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Take away what the target's audit says of its making: it is going to be the source's, as a whole."""
    more = sql.SQL("SELECT EXISTS (SELECT 1 FROM audit_entry WHERE action <> ALL (%s))")
    if target.execute(more, [list(_OF_MIGRATIONS)]).fetchone() == (True,):
        return
    target.execute("ALTER TABLE audit_entry DISABLE TRIGGER audit_entry_deleted")
    target.execute("DELETE FROM audit_entry")
    target.execute("ALTER TABLE audit_entry ENABLE TRIGGER audit_entry_deleted")


def _require_empty(target: psycopg.Connection[tuple[Any, ...]], tables: Sequence[str]) -> None:
    for table in tables:
        found = target.execute(sql.SQL("SELECT EXISTS (SELECT 1 FROM {})").format(sql.Identifier(table))).fetchone()
        if found == (True,):
            raise CopyError(
                f"The target is not empty: its table {table} has rows; make a new database, run 'hostler migrate' for "
                "it, and start no service on it before the copy"
            )


def _columns(source: sqlite3.Connection, target: psycopg.Connection[tuple[Any, ...]], table: str) -> _Columns:
    here = {row[1] for row in source.execute("SELECT * FROM pragma_table_info(?)", [table])}
    there = target.execute(
        "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        [table],
    ).fetchall()
    if here != {name for name, _ in there}:
        raise CopyError(f"The table {table} has other columns in PostgreSQL than in SQLite")
    return _Columns([name for name, _ in there], [kind for _, kind in there])


def _send(
    source: sqlite3.Connection,
    target: psycopg.Connection[tuple[Any, ...]],
    table: str,
    columns: _Columns,
    progress: Progress,
) -> CopiedTable:
    digest = ContentDigest(columns.kinds)
    (total,) = source.execute(f'SELECT COUNT(*) FROM "{table}"').fetchone()  # noqa: S608 - the models' own names
    names = ", ".join(f'"{name}"' for name in columns.names)
    progress(table, 0, total)
    rows = source.execute(f'SELECT {names} FROM "{table}" ORDER BY id')  # noqa: S608 - see above
    into = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns.names))
    )
    try:
        with target.cursor() as cursor, cursor.copy(into) as copying:
            while some := rows.fetchmany(_AT_ONCE):
                for row in some:
                    digest.add(row)
                    copying.write_row(row)
                progress(table, digest.rows, total)
    # SQLite keeps anything in any column: bytes, text that is no UTF-8, a number where a time should be
    except (psycopg.DataError, psycopg.IntegrityError, ValueError, TypeError, AttributeError, sqlite3.Error) as error:
        place = f" ({error.diag.context})" if isinstance(error, psycopg.Error) and error.diag.context else ""
        said = (error.diag.message_primary if isinstance(error, psycopg.Error) else None) or str(error)
        raise CopyError(f"PostgreSQL can't take a row of {table}: {said}{place}; nothing was kept") from error
    return CopiedTable(table, digest.rows, digest.hexdigest())


def _arrived(target: psycopg.Connection[tuple[Any, ...]], table: str, columns: _Columns) -> CopiedTable:
    digest = ContentDigest(columns.kinds)
    names = sql.SQL(", ").join(map(sql.Identifier, columns.names))
    query = sql.SQL("SELECT {} FROM {} ORDER BY id").format(names, sql.Identifier(table))
    with target.cursor(name="arrived") as cursor:  # a server's cursor: all rows at once may not fit into memory
        cursor.itersize = _AT_ONCE
        for row in cursor.execute(query):
            digest.add(row)
    return CopiedTable(table, digest.rows, digest.hexdigest())


def _set_sequence(source: sqlite3.Connection, target: psycopg.Connection[tuple[Any, ...]], table: str) -> None:
    """Have the next id be higher than any that was ever given: ids are never used again, of deleted rows neither."""
    found = source.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", [table]).fetchone()
    if found is not None and found[0]:
        target.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [table, found[0]])
