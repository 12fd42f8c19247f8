# SPDX-License-Identifier: GPL-3.0-or-later
"""The database: whether it is there, up to date and sound, and agrees about what time it is."""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import UTC, datetime, timedelta

import psycopg

from hostler.database import Database, append_only, columns, config, indexes, rows, search
from hostler.database.migrate import SchemaBroken, SchemaTooNew
from hostler.database.sqlite_file import DatabaseFileError, damage, open_to_read
from hostler.doctor.finding import Finding, failed, ok, warning
from hostler.settings import Settings

_CONNECT_SECONDS = 5
_MIGRATE = "Stop the service, make a backup ('hostler db backup'), and run 'hostler migrate'"
_RESTORE = "Restore a backup ('hostler db restore'); 'hostler server rebuild' makes the VMs again from the hosts"
CLOCK_SECONDS = 5.0
"""How far the database's clock, or what it holds, may be from ours: so much do several services allow each other."""

_NEWEST = """
SELECT MAX(at) > ? AS ahead FROM event WHERE id > (SELECT COALESCE(MAX(id), 0) - 1000 FROM event)
UNION ALL SELECT MAX(last_seen) > ? FROM server
"""


async def reachable(settings: Settings) -> Finding:
    """Whether the database is there, without making one."""
    try:
        return await asyncio.to_thread(_reach, settings)
    except DatabaseFileError as error:
        remedy = f"Start the service once if it is new; else look for it where database_url says. {_RESTORE}"
        return failed("database", str(error), remedy)
    except psycopg.Error as error:
        said = " ".join(str(error).split())
        remedy = "See that the server runs, and that the setting database_url is right"
        return failed("database", f"PostgreSQL can't be used: {said}", remedy)


def _reach(settings: Settings) -> Finding:
    file = config.parse(settings.database_url).file
    begin = time.monotonic()
    if file is not None:
        open_to_read(file).close()
        return ok("database", f"The SQLite database {file} can be read ({(time.monotonic() - begin) * 1000:.1f} ms)")
    with psycopg.connect(settings.database_url, connect_timeout=_CONNECT_SECONDS) as connection:
        connected = time.monotonic()
        connection.execute("SELECT 1")
        asked = time.monotonic()
        version = connection.info.server_version // 10000
    return ok(
        "database",
        f"PostgreSQL {version} answers in {(asked - connected) * 1000:.1f} ms "
        f"(connecting takes {(connected - begin) * 1000:.0f} ms)",
    )


async def schema(database: Database) -> Finding:
    """Whether the migrations are those of this program."""
    try:
        pending = await database.pending()
    except SchemaTooNew as error:
        return failed("schema", str(error), "Run the newer version; a database can't be taken back")
    except SchemaBroken as error:
        return failed("schema", str(error), _RESTORE)
    if pending:
        return failed("schema", f"The database lacks the migrations {', '.join(pending)}", _MIGRATE)
    return ok("schema", "The schema is this version's")


async def all_columns(database: Database) -> Finding:
    """Whether the tables have the columns that the migrations have made."""
    absent = await columns.missing(database.connection)
    if absent:
        return failed("columns", f"The database lacks {', '.join(absent)}", _RESTORE)
    return ok("columns", "All tables and columns are there")


async def all_indexes(database: Database) -> Finding:
    """Whether the indexes are there that keep it right and fast."""
    connection = database.connection
    absent = [one.name for one in await indexes.missing(connection)] + await search.missing(connection)
    if absent:
        return failed("indexes", f"The database lacks indexes, or has them otherwise: {', '.join(absent)}", _MIGRATE)
    return ok("indexes", "All indexes are there, and what names are searched by")


async def audit_guards(database: Database) -> Finding:
    """Whether the database keeps the audit append-only; the chain itself, which may be long, is not read."""
    absent = await append_only.missing(database.connection)
    if absent:
        message = f"The database lets the audit be changed: it lacks the triggers {', '.join(absent)}"
        return failed("audit", message, f"Find out who has dropped them ('hostler audit verify'). {_MIGRATE}")
    if strange := await append_only.strange(database.connection):
        message = f"The audit's table has triggers or rules that are not Hostler's: {', '.join(strange)}"
        return warning("audit", message, "See who made them, and what for: such a one can have entries vanish")
    return ok("audit", "The database keeps the audit append-only")


async def integrity(settings: Settings) -> list[Finding]:
    """Whether a SQLite file is sound; PostgreSQL looks after itself."""
    file = config.parse(settings.database_url).file
    if file is None:
        return []

    def look() -> tuple[list[str], int]:
        with contextlib.closing(open_to_read(file)) as connection:
            (size,) = connection.execute(
                "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
            ).fetchone()
            return damage(connection, quick=True), size

    wrong, size = await asyncio.to_thread(look)
    if wrong:
        return [failed("integrity", f"The database is damaged: {'; '.join(wrong)}", _RESTORE)]
    return [ok("integrity", f"The database is sound ({size / 1024**2:.1f} MiB)")]


async def times(database: Database) -> list[Finding]:
    """Whether our clock agrees with PostgreSQL's, and with what is in the database."""
    found = []
    if database.url.file is None:
        before = datetime.now(UTC)
        (row,) = await rows("SELECT clock_timestamp() AS now")
        after = datetime.now(UTC)
        # as much as is certain: the answer was made at some time in between
        apart = max((before - row["now"]).total_seconds(), (row["now"] - after).total_seconds(), 0.0)
        if apart > CLOCK_SECONDS:
            remedy = "Run an NTP client on both machines"
            found.append(warning("times", f"PostgreSQL's clock is {apart:.0f} s away from this machine's", remedy))
    ahead = datetime.now(UTC) + timedelta(seconds=CLOCK_SECONDS)
    if any(row["ahead"] for row in await rows(_NEWEST, ahead, ahead)):
        message = "The database holds times that are still to come: a clock was, or is, wrong"
        found.append(warning("times", message, "See that every machine with a service on it has the right time"))
    return found or [ok("times", "No time in the database is still to come")]
