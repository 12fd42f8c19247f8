# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done to webhooks, whoever asks: the routes and the command line."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tortoise.expressions import F
from tortoise.transactions import in_transaction

from hostler.audit.record import record
from hostler.errors import BadRequest, Conflict, FieldProblem, InvalidRequest, NotFound
from hostler.events.reading import kept_events
from hostler.sealing import Sealer
from hostler.webhooks.address import NotAllowed, literal_address, may_be_reached
from hostler.webhooks.message import Message
from hostler.webhooks.models import DeliveryState, Webhook, WebhookDelivery
from hostler.webhooks.sending import Answer, Sender
from hostler.webhooks.shown_to_audit import audited, target_of
from hostler.webhooks.signature import new_secret

MOST = 50
"""Webhooks that there may be: each may be sending at the same time as all others."""


async def get_webhook(webhook_id: int) -> Webhook:
    """Return a webhook; raises NotFound."""
    webhook = await Webhook.get_or_none(id=webhook_id)
    if webhook is None:
        raise NotFound(f"Webhook with ID {webhook_id} not found", code="webhook_not_found")
    return webhook


async def get_delivery(webhook: Webhook, delivery_id: int) -> WebhookDelivery:
    """Return a delivery of the webhook's; raises NotFound."""
    delivery = await WebhookDelivery.get_or_none(id=delivery_id, webhook_id=webhook.id)
    if delivery is None:
        raise NotFound(f"Webhook {webhook.id} has no delivery with ID {delivery_id}", code="webhook_delivery_not_found")
    return delivery


async def dead_letters(webhook: Webhook) -> list[WebhookDelivery]:
    """Return what failed for good, in the order of the events."""
    return await WebhookDelivery.filter(webhook_id=webhook.id, state=DeliveryState.FAILED.value).order_by("event_id")


async def create(
    fields: Mapping[str, Any], secret: str | None, sealer: Sealer, allowed: Collection[str]
) -> tuple[Webhook, str]:
    """Make a webhook, and return it with its secret, which is readable nowhere else.

    It gets the events from now on. ``allowed`` is the setting ``webhook_destinations``. Raises InvalidRequest and,
    where there are as many as there may be, Conflict.
    """
    _check_literal(fields["url"], allowed)
    if await Webhook.all().count() >= MOST:
        raise Conflict(f"There are {MOST} webhooks, and no more than that can be made", code="too_many_webhooks")
    secret = secret or new_secret()
    newest = (await kept_events()).newest
    async with in_transaction():
        webhook = await Webhook.create(**fields, uid=secrets.token_hex(8), secret=sealer.seal(secret), position=newest)
        record("webhook.create", target=target_of(webhook), after=audited(fields))
    return webhook, secret


async def change(webhook: Webhook, fields: Mapping[str, Any], allowed: Collection[str]) -> Webhook:
    """Change what ``fields`` name; an event that waits to be sent again is sent now. Raises InvalidRequest."""
    if not fields:
        return webhook
    if "url" in fields:
        _check_literal(fields["url"], allowed)
    changes = dict(fields)
    if fields.get("enabled"):
        changes["disabled_reason"] = None
    names = [name for name in fields if getattr(webhook, name) != fields[name]]
    before, after = audited({name: getattr(webhook, name) for name in names}), audited(fields, names)
    async with in_transaction():
        if names:
            details = {"url_changed": True} if "url" in names else None
            record("webhook.change", target=target_of(webhook), before=before, after=after, details=details)
        return await _update(webhook, changes)


async def rotate(webhook: Webhook, secret: str | None, overlap_hours: int, sealer: Sealer) -> tuple[Webhook, str]:
    """Give the webhook another secret, and return both; the old one signs, too, for ``overlap_hours``.

    Unless nobody can open it any more: then the new one is all that there is.
    """
    secret = secret or new_secret()
    old: dict[str, Any] = {"old_secret": None, "old_secret_until": None}
    if overlap_hours and sealer.can_open(webhook.secret):
        until = datetime.now(UTC) + timedelta(hours=overlap_hours)
        old = {"old_secret": webhook.secret, "old_secret_until": until}
    async with in_transaction():
        record("webhook.rotate_secret", target=target_of(webhook), details={"overlap_hours": overlap_hours})
        return await _update(webhook, {"secret": sealer.seal(secret), **old}), secret


async def remove(webhook: Webhook) -> None:
    """Send nothing more, and forget what was sent."""
    async with in_transaction():
        await webhook.delete()
        record("webhook.delete", target=target_of(webhook))


async def test(webhook: Webhook, sender: Sender) -> Answer:
    """Send a message of no event, and return what came back; where that is good, what waits is sent now."""
    answer = await sender.send(webhook, Message.ping(webhook))
    if answer.is_delivered:
        await Webhook.filter(id=webhook.id).update(next_try_at=None, revision=F("revision") + 1)
    return answer


async def redeliver(webhook: Webhook, delivery: WebhookDelivery, sender: Sender) -> WebhookDelivery:
    """Send a dead letter once more, now, under the id that it had, and return what became of it.

    Raises BadRequest for one that was delivered.
    """
    if delivery.state != DeliveryState.FAILED.value:
        raise BadRequest(f"Delivery {delivery.id} did not fail", code="webhook_delivered")
    answer = await sender.send(webhook, Message.again(webhook, delivery))
    changes: dict[str, Any] = {"tried_at": datetime.now(UTC), "status": answer.status, "error": answer.error}
    if answer.is_delivered:
        changes |= {"state": DeliveryState.DELIVERED.value, "body": None}
    await WebhookDelivery.filter(id=delivery.id, state=DeliveryState.FAILED.value).update(
        tries=F("tries") + 1, **changes
    )
    return await get_delivery(webhook, delivery.id)


async def _update(webhook: Webhook, changes: Mapping[str, Any]) -> Webhook:
    # no other column: whoever delivers writes its own meanwhile
    await Webhook.filter(id=webhook.id).update(
        **changes,
        tries=0,
        refusals=0,
        next_try_at=None,
        revision=F("revision") + 1,
        updated_at=datetime.now(UTC),
    )
    return await get_webhook(webhook.id)


def _check_literal(url: str, allowed: Collection[str]) -> None:
    """Refuse at once an address that would be refused each time; a name is looked at when something is sent."""
    address = literal_address(url)
    if address is not None and not may_be_reached(address, allowed):
        message = str(NotAllowed(address))
        raise InvalidRequest(
            f"The request is not valid: 'url': {message}", errors=[FieldProblem("url", message)], code="url"
        )
