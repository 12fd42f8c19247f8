# SPDX-License-Identifier: GPL-3.0-or-later
"""A SQLite database as a file that is copied, checked, or put in another's place; nothing here knows the models."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from hostler.database.sqlite_backend import BUSY_SECONDS
from hostler.errors import OperatorError

RECORDS = "tortoise_migrations"
"""The table in which the migrations that were applied are written down; a database without it is not ours."""


class DatabaseFileError(OperatorError):
    """A file is no database, not ours, or damaged."""


def beside(path: Path) -> tuple[Path, Path]:
    """The files that SQLite keeps beside a database in WAL mode: what is not in it yet, and an index of that."""
    return path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")


def open_to_read(path: Path) -> sqlite3.Connection:
    """Connect without changing anything; raises DatabaseFileError."""
    wal, _ = beside(path)
    # beside a database in WAL mode even a reader makes files, which it may not on a medium that can't be written to;
    # nobody writes to one that has no such file
    alone = "" if wal.exists() or os.access(path.parent, os.W_OK) else "&immutable=1"
    return _connect(path, f"mode=ro{alone}")


def open_to_write(path: Path) -> sqlite3.Connection:
    """Connect to a database that is there; raises DatabaseFileError."""
    return _connect(path, "mode=rw")


def _connect(path: Path, parameters: str) -> sqlite3.Connection:
    if not path.exists():
        raise DatabaseFileError(f"There is no database {path}")
    if not path.is_file():  # to open a pipe would wait for whoever writes to it
        raise DatabaseFileError(f"{path} is no file")
    uri = f"file:{quote(str(path.absolute()))}?{parameters}"
    try:
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    except sqlite3.Error as error:
        raise DatabaseFileError(f"The database {path} can't be opened: {error}") from None
    try:
        connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        connection.close()
        raise DatabaseFileError(f"The database {path} can't be read: {error}") from None
    return connection


def require_ours(connection: sqlite3.Connection, path: Path) -> None:
    """Raise DatabaseFileError unless it is a database of this program's, of whatever version."""
    columns = {row[0] for row in connection.execute("SELECT name FROM pragma_table_info(?)", [RECORDS])}
    if (
        not columns >= {"app", "name", "applied_at"}
        or not connection.execute(f'SELECT 1 FROM "{RECORDS}" WHERE app = ?', ["hostler"]).fetchone()  # noqa: S608 - a name of our own
    ):
        raise DatabaseFileError(f"The file {path} is no database of Hostler's")


def damage(connection: sqlite3.Connection, quick: bool = False) -> list[str]:
    """What is wrong with it, in SQLite's words, at most some; none for a sound one.

    A quick look leaves out whether indexes have what their tables have, which takes most of the time.
    """
    try:
        found = [row[0] for row in connection.execute(f"PRAGMA {'quick_check' if quick else 'integrity_check'}(5)")]
        broken = connection.execute("PRAGMA foreign_key_check").fetchmany(5)
    except sqlite3.DatabaseError as error:
        return [str(error)]
    wrong = [str(line) for line in found if line != "ok"]
    wrong += [f"row {row} of {table} refers to a row of {parent} that is not there" for table, row, parent, _ in broken]
    return wrong


def require_sound(connection: sqlite3.Connection, path: Path) -> None:
    """Raise DatabaseFileError for a damaged database."""
    if wrong := damage(connection):
        raise DatabaseFileError(f"The database {path} is damaged: {'; '.join(wrong)}")
