# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting a backup in the place of a SQLite database. What was there is kept beside it, whatever state it is in.

Ids that were given since the backup are not given again, as far as the replaced database can tell: VMs on the hosts
bear them, clients know jobs and events by them. Where it can't, so many are passed over that they are hardly met.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tortoise.exceptions import OperationalError
from tortoise.transactions import in_transaction

from hostler.audit.record import Target, record
from hostler.database import Database, columns, config
from hostler.database.backup import SEALING, SIGNING, NotSqlite, copy_of, without_password, write
from hostler.database.lock import DatabaseInUse, service_lock
from hostler.database.placing import copied, draft_of, give_owner, kept_name, sync_folder
from hostler.database.sqlite_file import beside, open_to_read, open_to_write, require_ours, require_sound
from hostler.database.waiting_jobs import cancel_waiting
from hostler.errors import OperatorError
from hostler.key_file import KeyFileError, read_keys
from hostler.sealing import Sealer, present_sealer
from hostler.settings import Settings

GAP = 1000
"""Ids of each table that are passed over where nobody knows which were given."""

_SEALED = {
    ("credential", "sealed"): "SELECT 'credential ''' || name || '''', sealed FROM credential ORDER BY id",
    ("webhook", "secret"): "SELECT 'webhook ' || id, secret FROM webhook ORDER BY id",
}
"""The owner and the text of what is sealed, for the columns that hold it."""
_COUNTED = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'"


class RestoreError(OperatorError):
    """A backup can't be restored; everything is as it was."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What is where now."""

    database: Path
    kept: list[Path]
    """What was replaced, under its new names."""
    keys: list[Path]
    pending: list[str]
    """Migrations that the next start applies."""
    locked: list[str]
    """What has a secret that the keys at hand can't open."""
    canceled: int
    """How many jobs waited in the backup, and do so no more."""


def restore(settings: Settings, file: Path, *, with_keys: bool = False) -> Restored:
    """Put the backup ``file`` in the place of the settings' database, with ``with_keys`` that of the keys, too.

    Raises DatabaseInUse, DatabaseFileError, SchemaTooNew, RestoreError, PlacingError, NotSqlite.
    """
    target = config.parse(settings.database_url).file
    if target is None:
        raise NotSqlite(
            "The database is PostgreSQL; stop every service, have its administrator put an empty database in its place "
            "(docs/operations.md says how), and restore it with its own tool: "
            f"pg_restore --no-owner --no-comments --single-transaction --dbname='{without_password(settings)}' {file}"
        )
    if file.exists() and target.exists() and file.samefile(target):
        raise RestoreError(f"{file} is the database itself")
    keys = _keys_beside(settings, file) if with_keys else {}
    settings.make_state_dir()
    if not target.parent.is_dir():
        raise RestoreError(f"There is no folder {target.parent}, in which the setting database_url has the database")
    with contextlib.closing(open_to_read(file)) as backup:
        require_ours(backup, file)
        require_sound(backup, file)
        with contextlib.ExitStack() as stack:
            stack.enter_context(service_lock(target))
            # all that can fail does so before anything is replaced: from then on there are only new names
            key_drafts = [(stack.enter_context(_key_draft(copy, place)), place) for copy, place in keys.items()]
            draft = stack.enter_context(draft_of(target))
            write(backup, draft)
            drafted = settings.model_copy(update={"database_url": f"sqlite://{draft}"})
            try:
                pending = asyncio.run(_noted(drafted, file))
            except OperationalError as error:
                raise _not_whole(file, error) from None
            with _alone(target) as present:
                try:
                    canceled = _made_current(draft, present)
                except sqlite3.Error as error:
                    raise _not_whole(file, error) from None
                kept = [_replace(draft, target)]
            kept += [_replace(key_draft, place) for key_draft, place in key_drafts]
    found = [path for path in kept if path is not None]
    return Restored(target, found, list(keys.values()), pending, _locked(target, settings), canceled)


def _not_whole(file: Path, error: Exception) -> RestoreError:
    return RestoreError(f"The backup {file} lacks something that a database of Hostler's has: {error}")


def _keys_beside(settings: Settings, file: Path) -> dict[Path, Path]:
    """The keys that a backup has beside it, and where each belongs."""
    places = {
        SEALING: None if settings.sealing_key is not None else settings.sealing_keys_file,
        SIGNING: None if settings.signing_key is not None else settings.signing_keys_file,
    }
    found = {copy_of(file, name): place for name, place in places.items() if place is not None}
    there = {copy: place for copy, place in found.items() if copy.is_file()}
    if not there:
        names = " nor ".join(str(copy_of(file, name)) for name in places)
        raise RestoreError(f"There are no keys beside the backup that are of use here: neither {names}")
    return there


async def _noted(settings: Settings, file: Path) -> list[str]:
    """Have its audit say that it was restored; one of an older version, of which the answer says what it lacks, can't.

    What has happened since the backup is in the audit of the database that is kept.
    """
    async with Database(settings) as database:
        pending = await database.pending()
        if not pending:
            if absent := await columns.missing(database.connection):
                raise RestoreError(f"The backup {file} lacks {', '.join(absent)}")
            async with in_transaction():
                record("database.restore", target=Target("database"), details={"backup": str(file)})
        return pending


@contextlib.contextmanager
def _alone(target: Path) -> Iterator[sqlite3.Connection | None]:
    """The database that is to be replaced, one file that nobody else has open; None where there is none to speak of."""
    if not target.exists():
        yield None
        return
    with contextlib.ExitStack() as stack:
        present: sqlite3.Connection | None
        try:
            # whoever may write would throw away what is beside a file that is no database any more
            open_to_read(target).close()
            present = stack.enter_context(contextlib.closing(open_to_write(target)))
            # it takes the lock that nobody else may have, and what is in the log beside the file into the file
            present.execute("PRAGMA journal_mode=DELETE")
            present.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise DatabaseInUse(f"Another process has the database {target} open; let it end first") from None
            present = None
        except (sqlite3.DatabaseError, OperatorError):
            present = None  # damaged, which may be why a backup is restored
        yield present


def _made_current(draft: Path, present: sqlite3.Connection | None) -> int:
    """Have ids that were given since the backup not be given again, and jobs that waited be canceled; how many."""
    counters: dict[str, int] = {}
    if present is not None:
        with contextlib.suppress(sqlite3.Error):
            counters = dict(present.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
    with contextlib.closing(open_to_write(draft)) as restored:
        given = dict(restored.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
        # a table without rows so far has no counter yet, and may have been given rows since
        for name in (row[0] for row in restored.execute(_COUNTED).fetchall()):
            highest = given.get(name, 0)
            seq = max(highest, counters.get(name, 0 if counters and name not in given else highest + GAP))
            restored.execute("DELETE FROM sqlite_sequence WHERE name = ?", [name])
            restored.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", [name, seq])
        canceled = cancel_waiting(restored)
        restored.execute("PRAGMA journal_mode=DELETE")
        return canceled


def _replace(draft: Path, target: Path) -> Path | None:
    """Give the draft the target's name, and what is there another one; the target's name is never without a file."""
    give_owner(draft, target if target.exists() else target.parent)
    kept = None
    if target.exists():
        kept = kept_name(target)
        os.link(target, kept)
    wal, index = beside(target)
    if wal.exists():  # of a database that could not be opened: beside another one SQLite would take it for that one's
        wal.replace(kept.with_name(f"{kept.name}-wal") if kept is not None else kept_name(wal))
    index.unlink(missing_ok=True)
    draft.replace(target)
    sync_folder(target.parent)
    return kept


@contextlib.contextmanager
def _key_draft(copy: Path, place: Path) -> Iterator[Path]:
    """The keys of a backup, checked and on the disk, to be renamed to ``place``; raises RestoreError, PlacingError."""
    if place.is_dir():
        raise RestoreError(f"The keys {copy} can't be restored: {place} is a folder")
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise RestoreError(f"The folder {place.parent} for the keys can't be made: {error.strerror}") from None
    with draft_of(place) as draft:
        try:
            copied(copy, draft)
        except OSError as error:
            raise RestoreError(f"The keys {copy} can't be copied to {place.parent}: {error.strerror}") from None
        try:
            read_keys(draft, "keys", "restore without --with-keys")
        except KeyFileError as error:
            raise RestoreError(str(error).replace(str(draft), str(copy))) from None
        yield draft


def _locked(database: Path, settings: Settings) -> list[str]:
    """What has a secret that the keys at hand can't open; the schema may be an older one."""
    sealer: Sealer | None
    try:
        sealer = present_sealer(settings)
    except OperatorError:
        sealer = None
    found = []
    with contextlib.closing(open_to_read(database)) as connection:
        for column, query in _SEALED.items():
            if connection.execute("SELECT 1 FROM pragma_table_info(?) WHERE name = ?", column).fetchone():
                found += [
                    owner for owner, text in connection.execute(query) if sealer is None or not sealer.can_open(text)
                ]
    return found
