# SPDX-License-Identifier: GPL-3.0-or-later
"""What could not be delivered: when it is given up, where it is then, and how it is sent all the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from hostler.events.models import Event
from hostler.hosts.models import Server
from hostler.webhooks.courier import Patience, wait_seconds
from hostler.webhooks.models import Webhook
from hostler.webhooks.sending import Answer
from tests.service.webhooks.conftest import came, deliveries, happen, made, until
from tests.service.webhooks.receiver import Received, Receiver, always, status

pytestmark = pytest.mark.anyio


async def test_an_event_that_is_refused_becomes_a_dead_letter_and_those_after_it_go_on(
    api: httpx.AsyncClient, receiver: Receiver, server: Server
) -> None:
    def refuses_the_second(received: Received) -> bytes:
        return status(422 if received.event_id == 2 else 200)

    receiver.reply = refuses_the_second
    webhook = await made(api, receiver)
    await happen(server, 3)

    state = await until(api, webhook, last_event_id=3)

    assert receiver.event_ids == [1, 2, 2, 2, 3]  # webhook_tries is 3
    assert (state["health"], state["tries"]) == ("ok", 0)
    (letter,) = await deliveries(api, webhook, "failed")
    assert (letter["event_id"], letter["kind"], letter["tries"]) == (2, "server.changed", 3)
    assert (letter["status"], letter["error"]) == (422, "The receiver answered 422")
    assert [one["event_id"] for one in await deliveries(api, webhook, "delivered")] == [1, 3]
    assert [one["event_id"] for one in await deliveries(api, webhook)] == [1, 2, 3]
    path = f"/api/webhooks/{webhook['id']}/deliveries/{letter['id']}"
    whole = (await api.get(path)).json()
    assert whole == {**letter, "message": receiver.received[1].body}


async def test_a_dead_letter_is_sent_again_as_it_was_when_somebody_asks(
    api: httpx.AsyncClient, receiver: Receiver, server: Server
) -> None:
    receiver.reply = always(400)
    webhook = await made(api, receiver)
    await happen(server)
    await until(api, webhook, last_event_id=1)
    (letter,) = await deliveries(api, webhook, "failed")
    path = f"/api/webhooks/{webhook['id']}/deliveries/{letter['id']}"

    still = await api.post(f"{path}/redeliver")
    receiver.reply = always(200)
    await Event.all().delete()  # it is forgotten by now
    gone = await api.post(f"{path}/redeliver")
    again = await api.post(f"{path}/redeliver")

    assert (still.status_code, still.json()["state"], still.json()["tries"]) == (200, "failed", 4)
    assert (gone.status_code, gone.json()["state"], gone.json()["tries"]) == (200, "delivered", 5)
    assert (gone.json()["status"], gone.json()["error"], gone.json()["message"]) == (200, None, None)
    assert (again.status_code, again.json()["code"]) == (400, "webhook_delivered")
    assert len(receiver.received) == 5
    assert len({one.id for one in receiver.received}) == 1
    assert len({one.content for one in receiver.received}) == 1
    assert receiver.received[-1].is_signed_with(webhook["secret"])
    assert await deliveries(api, webhook, "failed") == []


async def test_after_a_day_of_absence_events_are_given_up_one_after_another_as_they_get_old(
    api: httpx.AsyncClient, receiver: Receiver, server: Server
) -> None:
    webhook = await made(api, receiver)
    receiver.stop()
    await happen(server, 3)
    await until(api, webhook, health="failing")
    long_ago = datetime.now(UTC) - timedelta(hours=25)
    await Event.filter(id__lte=2).update(at=long_ago)
    await Webhook.filter(id=webhook["id"]).update(failing_since=long_ago, updated_at=long_ago)

    state = await until(api, webhook, last_event_id=2)

    letters = await deliveries(api, webhook, "failed")
    assert [one["event_id"] for one in letters] == [1, 2]
    assert {one["error"] for one in letters} == {"The receiver can't be reached: Connection refused"}
    assert letters[1]["tries"] == 1
    assert state["health"] == "failing"
    receiver.start()
    assert (await came(receiver, 1))[0].event_id == 3
    await until(api, webhook, health="ok", last_event_id=3)


def test_patience_ends_with_refusals_or_with_hours_of_failing_and_not_with_age_alone() -> None:
    now = datetime.now(UTC)
    patience = Patience(tries=3, hours=24)
    absent, refused = Answer(error="x"), Answer(status=500, error="x")
    old, new = Event(at=now - timedelta(days=5)), Event(at=now)

    def is_over(
        event: Event,
        answer: Answer,
        refusals: int = 0,
        failing_hours: float | None = None,
        changed_hours: float = 1000,
    ) -> bool:
        since = None if failing_hours is None else now - timedelta(hours=failing_hours)
        changed = now - timedelta(hours=changed_hours)
        return patience.is_over(Webhook(refusals=refusals, failing_since=since, updated_at=changed), event, answer, now)

    assert not is_over(old, absent)  # of a webhook that was disabled for days
    assert not is_over(old, absent, refusals=2)
    assert is_over(old, refused, refusals=2)
    assert is_over(new, refused, refusals=2)
    assert not is_over(old, absent, failing_hours=23)
    assert is_over(old, absent, failing_hours=24)
    assert not is_over(new, absent, failing_hours=100)
    # enabled again, or with another address
    assert not is_over(old, absent, failing_hours=100, changed_hours=23)
    assert is_over(old, absent, failing_hours=100, changed_hours=24)


def test_what_is_a_refusal_and_what_an_absence() -> None:
    refusals = [code for code in range(300, 600) if Answer(code, "x").is_refusal]

    assert not {408, 425, 429, 502, 503, 504} & set(refusals)
    assert {301, 400, 401, 404, 410, 422, 500, 501} <= set(refusals)
    assert not Answer(None, "x").is_refusal
    assert not Answer(200).is_refusal


def test_pauses_grow_and_end_growing_and_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hostler.webhooks.courier.FIRST_WAIT_SECONDS", 1.0)
    monkeypatch.setattr("hostler.webhooks.courier.LONGEST_WAIT_SECONDS", 300.0)
    for tries in range(1, 2000, 7):
        longest = min(2.0 ** min(tries - 1, 20), 300)
        assert longest / 2 <= wait_seconds(tries) <= longest
    assert len({wait_seconds(5) for _ in range(20)}) > 10
    assert wait_seconds(1, retry_after=90) == 90
