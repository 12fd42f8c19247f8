# SPDX-License-Identifier: GPL-3.0-or-later
"""Which services are alive, so that nobody takes the work of one for abandoned, nor waits for one that is dead."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Container, Iterator

from hostler.database import rows
from hostler.database.queries import dialect
from hostler.jobs.ledger import PROCESS

_ALIVE = "SELECT name FROM service_process WHERE expires_at > clock_timestamp()"

_tellers: list[Callable[[], bool]] = []


class _Everybody:
    def __contains__(self, name: object) -> bool:
        return True


EVERYBODY: Container[str] = _Everybody()
"""For who can't tell: a command beside a service."""


@contextlib.contextmanager
def told_by(is_back: Callable[[], bool]) -> Iterator[None]:
    """Have ``is_back`` say in the block whether this service has been there long enough to tell who is dead."""
    _tellers.append(is_back)
    try:
        yield
    finally:
        _tellers.remove(is_back)


async def processes() -> set[str]:
    """The names of the services that have said lately that they are alive."""
    if dialect() == "sqlite":
        return {PROCESS}
    return {str(row["name"]) for row in await rows(_ALIVE)}


async def alive_processes() -> Container[str]:
    """The names of the services that are alive, as in a job's ``lease_owner``; this one always is.

    On SQLite there is no other. On PostgreSQL the database's clock decides; but who was away for long, as all are where
    the database was, takes everybody for alive until the others have had time to come back. So does a command.
    """
    names = await processes()
    if PROCESS not in names or not all(is_back() for is_back in _tellers):
        return EVERYBODY
    return names
