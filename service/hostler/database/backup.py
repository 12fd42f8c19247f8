# SPDX-License-Identifier: GPL-3.0-or-later
"""Backing up a SQLite database beside a running service.

SQLite's backup copies it in one step, which reads one state of it and hinders nobody who writes. The schema is taken as
it is: a backup before an upgrade is made by whichever version is at hand.

The keys are no part of the database, so that who steals a backup can't read what is sealed in it. They can be copied
along, into files of their own that may go another way.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg.conninfo

from hostler.database import config
from hostler.database.placing import copied, draft_of, placed, require_free
from hostler.database.sqlite_file import DatabaseFileError, beside, open_to_read, require_ours, require_sound
from hostler.errors import OperatorError
from hostler.settings import Settings

SEALING, SIGNING = "sealing-keys.json", "signing-keys.json"


class NotSqlite(OperatorError):
    """The database is PostgreSQL, which has tools of its own."""


@dataclass(frozen=True, slots=True)
class Backup:
    """What was written: the database, how large, and the keys' files, none where they were not asked for."""

    file: Path
    bytes: int
    keys: list[Path]


def back_up(settings: Settings, file: Path, *, force: bool = False, with_keys: bool = False) -> Backup:
    """Write the settings' database into ``file``, checked; raises PlacingError, DatabaseFileError, NotSqlite."""
    source = config.parse(settings.database_url).file
    if source is None:
        raise NotSqlite(
            "The database is PostgreSQL; back it up with its own tool: "
            f"pg_dump --format=custom --file={file} --dbname='{without_password(settings)}'"
        )
    keys = {copy_of(file, name): path for name, path in key_files(settings).items()} if with_keys else {}
    for key_file in keys.values():
        if not key_file.is_file():
            raise OperatorError(f"{key_file} is no file, so the keys can't be copied along")
    for path in (file, *keys):
        require_free(path, force)
        if path.resolve() in _of_the_service(settings, source):
            raise OperatorError(f"{path} is a file that the service itself needs")
    if file.exists() and file.samefile(source):
        raise OperatorError(f"{file} is the database itself")
    with contextlib.closing(open_to_read(source)) as connection:
        require_ours(connection, source)
        with draft_of(file) as draft:
            write(connection, draft)
            size = draft.stat().st_size
            placed(draft, file, replacing=force)
    for path, key_file in keys.items():
        with draft_of(path) as draft:
            copied(key_file, draft)
            placed(draft, path, replacing=force)
    return Backup(file, size, list(keys))


def _of_the_service(settings: Settings, source: Path) -> set[Path]:
    """Files beside the database, whether they are there at the moment or not, and those of the keys."""
    used = [*beside(source), *(source.with_name(source.name + end) for end in ("-journal", ".lock"))]
    used += [path for path in (settings.sealing_keys_file, settings.signing_keys_file) if path is not None]
    return {path.resolve() for path in used}


def write(connection: sqlite3.Connection, draft: Path) -> None:
    """Copy a database into the file ``draft``, one file that needs none beside it, and check that it is sound."""
    with contextlib.closing(sqlite3.connect(draft, isolation_level=None)) as copy:
        try:
            connection.backup(copy)  # all pages in one step: a copy in several begins anew whenever somebody writes
            copy.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.Error as error:
            raise DatabaseFileError(f"The database can't be copied to {draft.parent}: {error}") from None
        require_sound(copy, draft)


def key_files(settings: Settings) -> Mapping[str, Path]:
    """The files of keys that are in use and there, by their names in a backup; a key that is a setting has none."""
    found = {}
    if settings.sealing_key is None and settings.sealing_keys_file is not None and settings.sealing_keys_file.exists():
        found[SEALING] = settings.sealing_keys_file
    if settings.signing_key is None and settings.signing_keys_file is not None and settings.signing_keys_file.exists():
        found[SIGNING] = settings.signing_keys_file
    return found


def copy_of(file: Path, name: str) -> Path:
    """Where the keys of that name are kept beside a backup."""
    return file.with_name(f"{file.name}.{name}")


def without_password(settings: Settings) -> str:
    """How libpq's tools are told of the database; they ask for the password, or find it where libpq does."""
    parts = psycopg.conninfo.conninfo_to_dict(settings.database_url)
    parts.pop("password", None)
    return psycopg.conninfo.make_conninfo("", **parts)
