# SPDX-License-Identifier: GPL-3.0-or-later
"""Several services on one PostgreSQL: each event is sent by one of them, and another goes on where one is gone."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta

import pytest

from hostler.events.feed import Feed
from hostler.events.models import Event
from hostler.settings import Settings
from hostler.webhooks.couriers import Couriers
from hostler.webhooks.models import Webhook
from tests.service.webhooks.conftest import came, deliveries, happen, made, new_server, serving, until
from tests.service.webhooks.receiver import Received, Receiver, status

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
def settings(settings: Settings, postgres_url: str) -> Settings:
    return settings.model_copy(update={"database_url": postgres_url})


async def test_each_event_is_sent_by_one_of_them_in_order(settings: Settings, receiver: Receiver) -> None:
    async with serving(settings) as api:
        server = await new_server()
        sealer = api._transport.app.state.sealer  # type: ignore[attr-defined]  # httpx's ASGI transport
        async with (
            Feed.running() as one,
            Feed.running() as two,
            Couriers.running(settings, sealer, one),
            Couriers.running(settings, sealer, two),
        ):
            webhook = await made(api, receiver)
            await happen(server, 30)
            await came(receiver, 30)
            await until(api, webhook, last_event_id=receiver.event_ids[-1])
            await happen(server, 10)
            await came(receiver, 40)
            ids = await Event.all().order_by("id").values_list("id", flat=True)
            await until(api, webhook, last_event_id=ids[-1])

        assert receiver.event_ids == ids
        assert len(await deliveries(api, webhook)) == 40


async def test_another_goes_on_when_the_lease_of_one_that_is_gone_is_over(
    settings: Settings, receiver: Receiver
) -> None:
    async with serving(settings) as api:
        server = await new_server()
        webhook = await made(api, receiver)
        in_a_moment = datetime.now(UTC) + timedelta(seconds=1.5)
        await Webhook.filter(id=webhook["id"]).update(lease_owner="gone", lease_expires_at=in_a_moment)
        await happen(server)

        await came(receiver, 1)

        await until(api, webhook, health="ok", last_event_id=receiver.event_ids[0])
        assert (await Webhook.get(id=webhook["id"])).lease_owner not in ("gone", None)
        assert datetime.now(UTC) >= in_a_moment
    async with serving(settings):
        # one that ends as it should leaves its lease to the next
        assert (await Webhook.get(id=webhook["id"])).lease_owner is None


async def test_a_service_that_slept_through_its_lease_writes_nothing_down(
    settings: Settings, receiver: Receiver
) -> None:
    answering = threading.Event()

    def in_the_end(_received: Received) -> bytes:
        answering.wait(20)
        return status(200)

    receiver.reply = in_the_end
    async with serving(settings.model_copy(update={"webhook_timeout_seconds": 60})) as api:
        webhook = await made(api, receiver)
        await happen(await new_server())
        await came(receiver, 1)
        theirs = {"lease_owner": "another", "lease_expires_at": datetime.now(UTC) + timedelta(seconds=1.5)}
        await Webhook.filter(id=webhook["id"]).update(**theirs)
        answering.set()
        await asyncio.sleep(0.5)

        row = await Webhook.get(id=webhook["id"])
        assert (row.position, row.lease_owner, row.delivered_at) == (0, "another", None)
        assert await deliveries(api, webhook) == []

        first, second = await came(receiver, 2)
        assert first.id == second.id
        await until(api, webhook, last_event_id=first.event_id)
        assert len(await deliveries(api, webhook)) == 1
