# SPDX-License-Identifier: GPL-3.0-or-later
"""What is forgotten: deliveries after some time, and events, of which a webhook that has not got them is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from tortoise.expressions import F

from hostler.database import rows
from hostler.webhooks.models import Webhook, WebhookDelivery
from hostler.webhooks.wanted import waiting_for

log = structlog.get_logger(__name__)

BATCH = 5000
"""Deliveries that are deleted at once: nobody else writes to SQLite meanwhile."""

_ENDS = "SELECT MIN(id) AS first, MAX(id) AS last FROM webhook_delivery WHERE tried_at < ?"


async def note_missed(until: int) -> None:
    """Before the events up to the id ``until`` are deleted: write down for each webhook how many it has not got."""
    for webhook in await Webhook.filter(position__lt=until):
        missed = await waiting_for(webhook, until).count()
        changes: dict[str, Any] = {"position": until}
        if missed:
            log.warning("webhook.missed", webhook=webhook.id, events=missed)
            changes |= {"missed": F("missed") + missed, "missed_at": datetime.now(UTC)}
            changes |= {"tries": 0, "refusals": 0, "next_try_at": None}
        await Webhook.filter(id=webhook.id, position=webhook.position).update(**changes)


async def prune_deliveries(days: float) -> None:
    """Delete what was delivered, or failed for good, longer than ``days`` ago."""
    old = datetime.now(UTC) - timedelta(days=days)
    (ends,) = await rows(_ENDS, old)
    if ends["first"] is None:
        return
    for bound in range(ends["first"] + BATCH - 1, ends["last"] + BATCH, BATCH):
        await WebhookDelivery.filter(id__lte=bound, tried_at__lt=old).delete()
