# SPDX-License-Identifier: GPL-3.0-or-later
"""Forgetting old events, deliveries of webhooks, jobs, and tickets that nobody has used: once an hour, bit by bit.

The newest event stays however old it is: by it a client that comes again is told from one that has missed something.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from hostler.accounts.tickets import prune_tickets
from hostler.database import DatabaseUnavailable, rows
from hostler.events.models import Event
from hostler.jobs.retention import prune_jobs
from hostler.settings import Settings
from hostler.webhooks.retention import note_missed, prune_deliveries

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 3600
BATCH = 5000
"""Events that are deleted at once: nobody else writes to SQLite meanwhile."""

_OLD = "SELECT MAX(id) AS old FROM event WHERE at < ?"
_ENDS = "SELECT MIN(id) AS oldest, MAX(id) AS newest FROM event"


@dataclass(frozen=True, slots=True)
class Retention:
    """How long what is kept, in days."""

    events: float
    deliveries: float
    jobs: float
    """0 keeps them for ever."""

    @classmethod
    def of(cls, settings: Settings) -> Retention:
        """As the settings say."""
        return cls(settings.event_retention_days, settings.webhook_retention_days, settings.job_retention_days)


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
async def forgetting(retention: Retention) -> AsyncIterator[None]:
    """Prune in the block: now, and every hour."""
    task = asyncio.create_task(_prune_for_ever(retention), name="retention")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _prune_for_ever(retention: Retention) -> None:
    while True:
        try:
            await prune_events(retention.events)
            await prune_deliveries(retention.deliveries)
            await prune_tickets()
            await prune_jobs(retention.jobs)
        except DatabaseUnavailable as error:
            log.warning("events.not_pruned", reason=str(error))
        except Exception:
            log.exception("events.not_pruned")
        await asyncio.sleep(PAUSE_SECONDS)
