# SPDX-License-Identifier: GPL-3.0-or-later
"""``/api/webhooks``: who is sent what happens, and what became of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query, Request

from hostler.bodies import LARGEST_INTEGER, Done
from hostler.paging import Page, Paging, fetch_page
from hostler.permission import Caller, Requires
from hostler.routing import Router
from hostler.sealing import Sealer
from hostler.settings import Settings
from hostler.webhooks import actions
from hostler.webhooks.couriers import CouriersOf
from hostler.webhooks.models import DeliveryState, Webhook, WebhookDelivery
from hostler.webhooks.schemas import (
    DeliveryInFull,
    DeliveryShown,
    NewWebhook,
    Rotation,
    TestAnswer,
    WebhookBody,
    WebhookChange,
    WebhookShown,
)

router = Router(prefix="/api/webhooks", tags=["webhooks"])

Admin = Annotated[Caller, Requires("admin")]


async def _webhook(webhook_id: Annotated[int, Path(description="The webhook's id", ge=1, le=2**31 - 1)]) -> Webhook:
    return await actions.get_webhook(webhook_id)


WebhookOf = Annotated[Webhook, Depends(_webhook)]


async def _delivery(
    webhook: WebhookOf,
    delivery_id: Annotated[int, Path(description="The delivery's id", ge=1, le=LARGEST_INTEGER)],
) -> WebhookDelivery:
    return await actions.get_delivery(webhook, delivery_id)


DeliveryOf = Annotated[WebhookDelivery, Depends(_delivery)]


async def _sealer(request: Request) -> Sealer:
    sealer: Sealer = request.app.state.sealer
    return sealer


async def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


SealerOf = Annotated[Sealer, Depends(_sealer)]
SettingsOf = Annotated[Settings, Depends(_settings)]


@router.get("", summary="List webhooks")
async def list_webhooks(caller: Admin, paging: Paging) -> Page[WebhookShown]:
    """Webhooks in the order of their ids."""
    found, total = await fetch_page(Webhook.all(), paging)
    return Page.of([WebhookShown.of(webhook) for webhook in found], total, paging)


@router.post("", status_code=201, summary="Create a webhook")
async def create_webhook(caller: Admin, sealer: SealerOf, settings: SettingsOf, body: WebhookBody) -> NewWebhook:
    """Have what happens from now on sent to a URL; the answer's `secret` is shown this once."""
    fields = body.model_dump(exclude={"secret"})
    given = body.secret.get_secret_value() if body.secret else None
    webhook, secret = await actions.create(fields, given, sealer, settings.webhook_destinations)
    return NewWebhook.with_secret(webhook, secret)


@router.get("/{webhook_id}", summary="Show a webhook")
async def show_webhook(caller: Admin, webhook: WebhookOf) -> WebhookShown:
    """One webhook: what it wants, how far it has come, and what is in its way."""
    return WebhookShown.of(webhook)


@router.put("/{webhook_id}", summary="Change a webhook")
async def change_webhook(caller: Admin, settings: SettingsOf, webhook: WebhookOf, body: WebhookChange) -> WebhookShown:
    """Change what the body names; an event that waits to be sent again is sent at once."""
    fields = body.model_dump(exclude_unset=True)
    return WebhookShown.of(await actions.change(webhook, fields, settings.webhook_destinations))


@router.delete("/{webhook_id}", summary="Delete a webhook")
async def delete_webhook(caller: Admin, webhook: WebhookOf) -> Done:
    """Send nothing more, and forget what was sent."""
    await actions.remove(webhook)
    return Done(message=f"Webhook {webhook.id} deleted successfully")


@router.post("/{webhook_id}/rotate-secret", summary="Give a webhook another secret")
async def rotate_secret(caller: Admin, sealer: SealerOf, webhook: WebhookOf, body: Rotation) -> NewWebhook:
    """Answer a new `secret`, this once; for `overlap_hours` messages are signed with the old one, too."""
    given = body.secret.get_secret_value() if body.secret else None
    changed, secret = await actions.rotate(webhook, given, body.overlap_hours, sealer)
    return NewWebhook.with_secret(changed, secret)


@router.post("/{webhook_id}/test", summary="Test a webhook")
async def test_webhook(caller: Admin, couriers: CouriersOf, webhook: WebhookOf) -> TestAnswer:
    """Send a message of the type `ping`, now and once, and answer what came back."""
    return TestAnswer.of(await actions.test(webhook, couriers.sender))


@router.get("/{webhook_id}/deliveries", summary="List a webhook's deliveries")
async def list_deliveries(
    caller: Admin,
    webhook: WebhookOf,
    paging: Paging,
    state: Annotated[DeliveryState | None, Query(description="failed: the dead letters")] = None,
) -> Page[DeliveryShown]:
    """What became of the events, in the order in which that was settled."""
    query = WebhookDelivery.filter(webhook_id=webhook.id)
    if state is not None:
        query = query.filter(state=state.value)
    found, total = await fetch_page(query, paging)
    return Page.of([DeliveryShown.model_validate(delivery) for delivery in found], total, paging)


@router.get("/{webhook_id}/deliveries/{delivery_id}", summary="Show a delivery")
async def show_delivery(caller: Admin, delivery: DeliveryOf) -> DeliveryInFull:
    """One delivery; of a failed one, what was sent."""
    return DeliveryInFull.of(delivery)


@router.post("/{webhook_id}/deliveries/{delivery_id}/redeliver", summary="Send a dead letter again")
async def redeliver(caller: Admin, couriers: CouriersOf, webhook: WebhookOf, delivery: DeliveryOf) -> DeliveryInFull:
    """Send it once more, now, under the id that it had, and answer what became of it: it may have failed again."""
    return DeliveryInFull.of(await actions.redeliver(webhook, delivery, couriers.sender))
