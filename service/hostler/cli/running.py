# SPDX-License-Identifier: GPL-3.0-or-later
"""Running a command's work beside the service, or without one: settings, log, database, event loop."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TypeVar

T = TypeVar("T")


def run(work: Coroutine[object, object, T]) -> T:
    """Run ``work`` with the database connected and up to date, and return what it returns."""
    return _run(work, alone=False)


def run_alone(work: Coroutine[object, object, T]) -> T:
    """As `run`, with no service beside it on the same SQLite file; raises DatabaseInUse where there is one."""
    return _run(work, alone=True)


def _run(work: Coroutine[object, object, T], alone: bool) -> T:
    import asyncio

    from hostler import logs
    from hostler.audit.origin import acting, of_command
    from hostler.database import Database
    from hostler.settings import Settings

    async def connected() -> T:
        database = Database(settings)
        with acting(of_command()):
            async with database.for_service() if alone else database.for_command():
                return await work

    try:
        settings = Settings.load()
        logs.configure(settings)
        return asyncio.run(connected())
    finally:
        work.close()  # without this, one that was never begun would be warned about
