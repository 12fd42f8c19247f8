# SPDX-License-Identifier: GPL-3.0-or-later
"""Which services are alive, so that nobody takes the work of one for abandoned, nor waits for one that is dead."""

from __future__ import annotations

from collections.abc import Collection

from hostler.database import rows
from hostler.database.queries import dialect
from hostler.jobs.ledger import PROCESS

_ALIVE = "SELECT name FROM service_process WHERE expires_at > clock_timestamp()"


async def alive_processes() -> Collection[str]:
    """The names of the services that are alive, as in a job's ``lease_owner``; this one always is.

    On SQLite there is no other. On PostgreSQL the database's clock decides.
    """
    if dialect() == "sqlite":
        return {PROCESS}
    return {PROCESS, *(str(row["name"]) for row in await rows(_ALIVE))}
