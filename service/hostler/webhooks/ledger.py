# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing down how far a webhook has come: each step in one transaction, and only by the service that holds its lease.

The lease is what lets several services work on one database: an event is sent by the one that holds it. A service that
dies holds it no longer than `Lease.seconds`; one that merely slept for so long finds that what it writes changes
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tortoise.expressions import F, Q
from tortoise.transactions import in_transaction

from hostler.audit.origin import SERVICE
from hostler.audit.record import record
from hostler.events.models import Event
from hostler.metrics.measures import WEBHOOK_DELIVERIES
from hostler.webhooks.models import DeliveryState, Webhook, WebhookDelivery
from hostler.webhooks.sending import Answer
from hostler.webhooks.shown_to_audit import target_of


@dataclass(frozen=True, slots=True)
class Lease:
    """Who sends, and for how long that is his."""

    owner: str
    seconds: float


async def take(webhook: Webhook, event: Event, lease: Lease) -> bool:
    """Take the lease of a webhook, or hold it for longer; False where another has it, or the event is done with."""
    now = datetime.now(UTC)
    free = Q(lease_owner=None) | Q(lease_owner=lease.owner) | Q(lease_expires_at__lt=now)
    taken = await Webhook.filter(free, id=webhook.id, position__lt=event.id, enabled=True).update(
        lease_owner=lease.owner, lease_expires_at=now + timedelta(seconds=lease.seconds)
    )
    return bool(taken)


async def give_back(owner: str) -> None:
    """Let go of every lease of a service that ends."""
    await Webhook.filter(lease_owner=owner).update(lease_owner=None, lease_expires_at=None)


async def end_all_leases() -> None:
    """Let go of every lease: whoever holds one is dead."""
    await Webhook.filter(lease_owner__not_isnull=True).update(lease_owner=None, lease_expires_at=None)


async def pass_over(webhook: Webhook, until: int) -> None:
    """Write down that up to the event ``until`` there is none for the webhook."""
    await Webhook.filter(id=webhook.id, position=webhook.position).update(position=until)


async def close(webhook: Webhook, event: Event, answer: Answer, lease: Lease, body: bytes | None = None) -> bool:
    """Be done with an event: it was delivered, or, where there is a ``body``, it becomes a dead letter with that.

    Returns False, and changes nothing, where the lease is another's by now.
    """
    now = datetime.now(UTC)
    changes: dict[str, Any] = {"position": event.id, "tries": 0, "refusals": 0, "next_try_at": None, **_told(answer)}
    if answer.is_delivered:
        changes |= {"failing_since": None, "delivered_at": now}
    elif webhook.failing_since is None:
        changes["failing_since"] = now
    state = DeliveryState.DELIVERED if answer.is_delivered else DeliveryState.FAILED
    async with in_transaction():
        if not await _held(webhook, event, lease, changes):
            return False
        await WebhookDelivery.create(
            webhook_id=webhook.id,
            event_id=event.id,
            kind=event.kind,
            event_at=event.at,
            state=state.value,
            tries=webhook.tries + 1,
            body=None if body is None else body.decode(),
            tried_at=now,
            **_told(answer),
        )
    webhook.update_from_dict(changes)
    WEBHOOK_DELIVERIES.labels(outcome=state.value).inc()
    return True


async def put_off(webhook: Webhook, event: Event, answer: Answer, lease: Lease, seconds: float) -> None:
    """Have an event sent again after ``seconds``."""
    now = datetime.now(UTC)
    changes = {
        "tries": webhook.tries + 1,
        "refusals": webhook.refusals + answer.is_refusal,
        "next_try_at": now + timedelta(seconds=seconds),
        **_told(answer),
    }
    if webhook.failing_since is None:
        changes["failing_since"] = now
    if await _held(webhook, event, lease, changes):
        WEBHOOK_DELIVERIES.labels(outcome="put_off").inc()


async def disable(webhook: Webhook, event: Event, answer: Answer, lease: Lease, reason: str) -> None:
    """Send nothing more; the event is the first to be sent once somebody enables the webhook again."""
    changes = {"enabled": False, "disabled_reason": reason, "lease_owner": None, "lease_expires_at": None}
    changes |= {"revision": F("revision") + 1, **_told(answer)}
    async with in_transaction():
        done = await _held(webhook, event, lease, changes)
        if done:
            target = target_of(webhook)
            record("webhook.disable", target=target, after={"enabled": False}, details={"reason": reason}, by=SERVICE)
    if done:
        WEBHOOK_DELIVERIES.labels(outcome="put_off").inc()


async def _held(webhook: Webhook, event: Event, lease: Lease, changes: dict[str, Any]) -> bool:
    changed = await Webhook.filter(id=webhook.id, position__lt=event.id, lease_owner=lease.owner).update(**changes)
    return bool(changed)


def _told(answer: Answer) -> dict[str, Any]:
    return {"status": answer.status, "error": answer.error}
