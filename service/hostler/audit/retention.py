# SPDX-License-Identifier: GPL-3.0-or-later
"""Deleting old entries, where the settings say so: the chain itself says first up to which one, and with which hash.

By that entry what is left can be checked as before. It is written once a day at most, and the newest of all stays.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import structlog
from tortoise.transactions import in_transaction

from hostler.audit.models import AuditEntry
from hostler.audit.record import PRUNE, Target, record
from hostler.database import DatabaseUnavailable, rows

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 3600
BATCH = 5000
"""Entries that are deleted at once: nobody else writes to SQLite meanwhile."""
SLACK = timedelta(days=1)
"""How much too old the oldest one is before anything is deleted, or each hour would write an entry of its own."""

_OLDEST = "SELECT id, at FROM audit_entry ORDER BY id LIMIT 1"
_OLD = """
SELECT id, hash FROM audit_entry
WHERE id < (SELECT COALESCE(MIN(id), 9223372036854775807) FROM audit_entry WHERE at >= ?) ORDER BY id DESC LIMIT 1
"""
"""The last of the old ones before the first that is not: an entry of a wrong clock takes no younger ones along."""
_PRUNED = "SELECT MAX(target_id) AS last FROM audit_entry WHERE action = ?"


async def prune_audit(days: float) -> int:
    """Delete the entries that are older than ``days``, none if that is 0; returns how many."""
    if not days:
        return 0
    deleted = await _delete()  # what an earlier time was cut off in
    bound = datetime.now(UTC) - timedelta(days=days)
    oldest = await AuditEntry.all().order_by("id").first()
    if oldest is not None and oldest.at < bound - SLACK:
        await _say_so(bound)
        deleted += await _delete()
    return deleted


async def _say_so(bound: datetime) -> None:
    async with in_transaction():
        found = await rows(_OLD, bound)
        if found:
            number, own = found[0]["id"], found[0]["hash"]
            record(PRUNE, target=Target("audit", number), after={"hash": own, "older_than": bound})


async def _delete() -> int:
    """Delete what the chain says is to go."""
    (pruned,) = await rows(_PRUNED, PRUNE)
    oldest = await rows(_OLDEST)
    if pruned["last"] is None or not oldest:
        return 0
    first: int = oldest[0]["id"]
    last: int = pruned["last"]
    for bound in range(first + BATCH - 1, last + BATCH, BATCH):
        await AuditEntry.filter(id__lte=min(bound, last)).delete()
    return max(last - first + 1, 0)


@contextlib.asynccontextmanager
async def forgetting(days: float) -> AsyncIterator[None]:
    """Prune in the block: now, and every hour."""
    task = asyncio.create_task(_prune_for_ever(days), name="audit retention")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _prune_for_ever(days: float) -> None:
    while True:
        try:
            pruned = await prune_audit(days)
            if pruned:
                log.info("audit.pruned", entries=pruned)
        except DatabaseUnavailable as error:
            log.warning("audit.not_pruned", reason=str(error))
        except Exception:
            log.exception("audit.not_pruned")
        await asyncio.sleep(PAUSE_SECONDS)
