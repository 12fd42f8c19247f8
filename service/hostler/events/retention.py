# SPDX-License-Identifier: GPL-3.0-or-later
"""Forgetting old events, deliveries of webhooks, and tickets that nobody has used: once an hour, some thousand at once.

The newest event stays however old it is: by it a client that comes again is told from one that has missed something.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import structlog

from hostler.accounts.tickets import prune_tickets
from hostler.database import DatabaseUnavailable, rows
from hostler.events.models import Event
from hostler.webhooks.retention import note_missed, prune_deliveries

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 3600
BATCH = 5000
"""Events that are deleted at once: nobody else writes to SQLite meanwhile."""

_OLD = "SELECT MAX(id) AS old FROM event WHERE at < ?"
_ENDS = "SELECT MIN(id) AS oldest, MAX(id) AS newest FROM event"


async def prune_events(days: float) -> int:
    """Delete the events that are older than ``days``, but for the newest of all; returns how many ids that spans."""
    (found,) = await rows(_OLD, datetime.now(UTC) - timedelta(days=days))
    (ends,) = await rows(_ENDS)
    if found["old"] is None:
        return 0
    first: int = ends["oldest"]
    last: int = min(found["old"], ends["newest"] - 1)
    await note_missed(last)
    for bound in range(first + BATCH - 1, last + BATCH, BATCH):
        await Event.filter(id__lte=min(bound, last)).delete()
    return max(last - first + 1, 0)


@contextlib.asynccontextmanager
async def forgetting(days: float, delivery_days: float) -> AsyncIterator[None]:
    """Prune in the block: now, and every hour."""
    task = asyncio.create_task(_prune_for_ever(days, delivery_days), name="event retention")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _prune_for_ever(days: float, delivery_days: float) -> None:
    while True:
        try:
            await prune_events(days)
            await prune_deliveries(delivery_days)
            await prune_tickets()
        except DatabaseUnavailable as error:
            log.warning("events.not_pruned", reason=str(error))
        except Exception:
            log.exception("events.not_pruned")
        await asyncio.sleep(PAUSE_SECONDS)
