# SPDX-License-Identifier: GPL-3.0-or-later
"""What is forgotten is told of: a webhook that has not got events that are gone says how many."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from hostler.events.models import Event
from hostler.events.retention import prune_events
from hostler.hosts.models import Server
from hostler.webhooks.models import WebhookDelivery
from hostler.webhooks.retention import prune_deliveries
from tests.service.webhooks.conftest import MakeReceiver, came, deliveries, happen, made, shown, until
from tests.service.webhooks.receiver import Receiver

pytestmark = pytest.mark.anyio


async def test_a_webhook_says_how_many_events_it_has_missed_of_those_that_it_wanted(
    api: httpx.AsyncClient, make_receiver: MakeReceiver, server: Server
) -> None:
    receivers = [make_receiver() for _ in range(3)]
    down = await made(api, receivers[0])
    disabled = await made(api, receivers[1], enabled=False, kinds=["server.*"])
    uninterested = await made(api, receivers[2], kinds=["image.*"])
    receivers[0].stop()
    await happen(server, 5)
    await Event.create(kind="job.created", data={})
    await until(api, down, health="failing")
    await Event.filter(id__lte=6).update(at=datetime.now(UTC) - timedelta(days=8))
    await happen(server, 2)

    await prune_events(7)
    await prune_events(7)

    states = [(await shown(api, one))["state"] for one in (down, disabled, uninterested)]
    assert [one["missed"] for one in states] == [6, 5, 0]
    assert [one["missed_at"] is None for one in states] == [False, False, True]
    assert [one["last_event_id"] for one in states] == [6, 6, 6]
    receivers[0].start()
    await api.put(f"/api/webhooks/{disabled['id']}", json={"enabled": True})
    assert [one.event_id for one in await came(receivers[0], 2)] == [7, 8]
    assert [one.event_id for one in await came(receivers[1], 2)] == [7, 8]
    state = await until(api, down, health="ok", last_event_id=8)
    assert state["missed"] == 6  # that stays


async def test_old_deliveries_are_forgotten_and_young_ones_are_kept(
    api: httpx.AsyncClient, receiver: Receiver, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hostler.webhooks.retention.BATCH", 2)
    webhook = await made(api, receiver)
    await happen(server, 7)
    await until(api, webhook, last_event_id=7)
    await WebhookDelivery.filter(event_id__lte=5).update(tried_at=datetime.now(UTC) - timedelta(days=31))

    await prune_deliveries(30)
    await prune_deliveries(30)

    assert [one["event_id"] for one in await deliveries(api, webhook)] == [6, 7]
