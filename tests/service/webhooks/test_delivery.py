# SPDX-License-Identifier: GPL-3.0-or-later
"""Events arrive: all that are wanted, in order, signed, whatever the receivers do to each other and to themselves."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from hostler.events.models import Event
from hostler.events.record import Kind
from hostler.hosts.models import Server
from hostler.metrics.measures import WEBHOOK_DELIVERIES
from hostler.settings import Settings
from hostler.webhooks.models import Webhook
from tests.service.webhooks.conftest import (
    MakeReceiver,
    came,
    deliveries,
    happen,
    made,
    new_server,
    serving,
    shown,
    until,
)
from tests.service.webhooks.receiver import Received, Receiver, always, status

pytestmark = pytest.mark.anyio


@pytest.mark.rule("webhooks")
async def test_what_happens_arrives_signed_and_as_the_api_shows_it(
    api: httpx.AsyncClient, receiver: Receiver, server: Server
) -> None:
    counted = WEBHOOK_DELIVERIES.labels(outcome="delivered")._value.get()
    await happen(server)  # before there is anybody who wants it
    webhook = await made(api, receiver, description="of a portal")
    await happen(server)

    (received,) = await came(receiver, 1)

    event = await Event.all().order_by("-id").first()
    assert event is not None
    assert received.path == "/hook"
    assert received.headers["content-type"] == "application/json"
    assert received.is_signed_with(webhook["secret"])
    assert not received.is_signed_with("whsec_" + "A" * 32)
    assert received.body == {
        "type": "server.changed",
        "timestamp": event.at.isoformat().replace("+00:00", "Z"),
        "id": event.id,
        "vm_id": None,
        "server_id": server.id,
        "job_id": None,
        "data": (await api.get(f"/api/servers/{server.id}")).json(),
    }
    state = await until(api, webhook, last_event_id=event.id)
    assert (state["health"], state["reason"], state["status"], state["missed"]) == ("ok", None, 204, 0)
    assert state["delivered_at"] is not None
    assert WEBHOOK_DELIVERIES.labels(outcome="delivered")._value.get() == counted + 1
    (delivery,) = await deliveries(api, webhook)
    assert (delivery["event_id"], delivery["kind"], delivery["state"]) == (event.id, "server.changed", "delivered")
    assert (delivery["tries"], delivery["status"], delivery["error"]) == (1, 204, None)


async def test_a_webhook_gets_what_it_wants_and_no_more(
    api: httpx.AsyncClient, make_receiver: MakeReceiver, server: Server
) -> None:
    other = await new_server("other")
    of_a_kind, of_a_room, of_a_server, of_a_vm = (make_receiver() for _ in range(4))
    await made(api, of_a_kind, kinds=["server.deleted"])
    await made(api, of_a_room, kinds=["vm.*", "server.*"])
    await made(api, of_a_server, server_id=other.id)
    await made(api, of_a_vm, vm_id=7)
    await happen(server)
    await happen(other, kind=Kind.SERVER_DELETED)
    await Event.create(kind="vm.changed", vm_id=7, server_id=server.id, data={})
    await Event.create(kind="job.changed", vm_id=7, data={})
    await happen(server, kind=Kind.SERVER_DELETED)

    types = {
        name: [one.body["type"] for one in await came(receiver, number)]
        for name, receiver, number in (
            ("kind", of_a_kind, 2),
            ("room", of_a_room, 4),
            ("server", of_a_server, 1),
            ("vm", of_a_vm, 2),
        )
    }

    assert types == {
        "kind": ["server.deleted", "server.deleted"],
        "room": ["server.changed", "server.deleted", "vm.changed", "server.deleted"],
        "server": ["server.deleted"],
        "vm": ["vm.changed", "job.changed"],
    }


async def test_a_receiver_that_was_down_gets_all_of_it_in_order_and_is_said_to_fail_meanwhile(
    api: httpx.AsyncClient, receiver: Receiver, server: Server
) -> None:
    webhook = await made(api, receiver)
    receiver.stop()
    await happen(server, 5)
    state = await until(api, webhook, health="failing")
    assert state["reason"] == "The receiver can't be reached: Connection refused"
    assert (state["status"], state["delivered_at"]) == (None, None)
    assert state["next_try_at"] is not None
    await until(api, webhook, tries=5)  # more than a receiver that refuses would be granted

    receiver.start()

    ids = [one.event_id for one in await came(receiver, 5)]
    assert ids == await Event.all().order_by("id").values_list("id", flat=True)
    state = await until(api, webhook, health="ok", tries=0, last_event_id=ids[-1])
    assert (state["failing_since"], state["next_try_at"], state["reason"]) == (None, None, None)
    first, *others = await deliveries(api, webhook)
    assert first["tries"] > 5
    assert {one["tries"] for one in others} == {1}


async def test_one_that_hangs_holds_up_neither_another_nor_the_service(
    settings: Settings, make_receiver: MakeReceiver
) -> None:
    hanging, quick = make_receiver(), make_receiver()
    hanging.reply = lambda _received: None
    async with serving(settings.model_copy(update={"webhook_timeout_seconds": 2})) as api:
        webhook = await made(api, hanging)
        await made(api, quick)
        await happen(await new_server(), 20)

        await came(quick, 20)

        assert set(hanging.event_ids) == {1}
        state = await until(api, webhook, health="failing")
        assert state["reason"] == "The receiver did not answer within 2 s"
        hanging.reply = always(200)
        hanging.stop()
        hanging.start()
        await until(api, webhook, health="ok", last_event_id=20)
    assert list(dict.fromkeys(hanging.event_ids)) == list(dict.fromkeys(quick.event_ids)) == list(range(1, 21))


async def test_an_event_is_sent_again_under_its_id_with_a_signature_of_its_own(
    api: httpx.AsyncClient, receiver: Receiver, server: Server
) -> None:
    def second_time(received: Received) -> bytes:
        return status(200 if len(receiver.received) > 1 else 503)

    receiver.reply = second_time
    webhook = await made(api, receiver)
    await happen(server)

    first, second = await came(receiver, 2)

    assert first.id == second.id
    assert first.content == second.content
    assert second.is_signed_with(webhook["secret"])
    await until(api, webhook, health="ok", tries=0)


async def test_a_service_that_starts_again_goes_on_where_the_one_before_was(
    settings: Settings, receiver: Receiver
) -> None:
    async with serving(settings) as api:
        server = await new_server()
        await made(api, receiver)
        await happen(server, 3)
        await came(receiver, 3)
        receiver.stop()
        await happen(server, 3)
    receiver.start()

    async with serving(settings):
        await came(receiver, 6)
        ids = await Event.all().order_by("id").values_list("id", flat=True)

    assert receiver.event_ids == ids


async def test_a_disabled_webhook_gets_nothing_until_it_is_enabled_and_then_what_it_has_missed(
    api: httpx.AsyncClient, receiver: Receiver, server: Server
) -> None:
    webhook = await made(api, receiver)
    await happen(server)
    await came(receiver, 1)
    path = f"/api/webhooks/{webhook['id']}"
    assert (await api.put(path, json={"enabled": False})).json()["state"]["health"] == "disabled"
    await asyncio.sleep(0.1)
    await happen(server, 2)
    await asyncio.sleep(0.2)
    assert len(receiver.received) == 1

    await api.put(path, json={"enabled": True})

    assert [one.event_id for one in await came(receiver, 3)] == await Event.all().order_by("id").values_list(
        "id", flat=True
    )


async def test_one_that_answers_410_is_disabled_and_keeps_its_place(
    api: httpx.AsyncClient, receiver: Receiver, server: Server
) -> None:
    receiver.reply = always(410)
    webhook = await made(api, receiver)
    await happen(server, 3)

    state = await until(api, webhook, health="disabled")

    assert state["reason"] == "The receiver answered 410: it wants nothing any more"
    assert len(receiver.received) == 1
    receiver.reply = always(200)
    changed = await api.put(f"/api/webhooks/{webhook['id']}", json={"enabled": True})
    assert changed.json()["state"]["health"] != "disabled"
    assert len({one.event_id for one in await came(receiver, 4)}) == 3
    await until(api, webhook, health="ok")


async def test_a_change_of_the_url_sends_what_waits_there_at_once(
    api: httpx.AsyncClient, make_receiver: MakeReceiver, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hostler.webhooks.courier.FIRST_WAIT_SECONDS", 3600)
    monkeypatch.setattr("hostler.webhooks.courier.LONGEST_WAIT_SECONDS", 3600)
    wrong, right = make_receiver(), make_receiver()
    wrong.reply = always(500)
    webhook = await made(api, wrong)
    await happen(server)
    await until(api, webhook, tries=1, status=500)

    await api.put(f"/api/webhooks/{webhook['id']}", json={"url": right.url})

    assert len(await came(right, 1)) == 1
    await until(api, webhook, health="ok", tries=0)


async def test_a_deleted_webhook_gets_nothing_more(api: httpx.AsyncClient, receiver: Receiver, server: Server) -> None:
    webhook = await made(api, receiver)
    await happen(server)
    await came(receiver, 1)
    await until(api, webhook, health="ok", last_event_id=receiver.event_ids[0])

    assert (await api.delete(f"/api/webhooks/{webhook['id']}")).status_code == 200

    await happen(server)
    await asyncio.sleep(0.2)
    assert len(receiver.received) == 1
    assert (await api.get(f"/api/webhooks/{webhook['id']}")).status_code == 404


async def test_events_that_nobody_wants_are_passed_over_and_that_is_written_down(
    api: httpx.AsyncClient, receiver: Receiver, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hostler.webhooks.courier._PASSED_OVER", 1)
    monkeypatch.setattr("hostler.webhooks.courier._IDLE_SECONDS", 0.05)
    webhook = await made(api, receiver, kinds=["image.*"])
    await happen(server, 12)
    newest = await Event.all().order_by("-id").first()
    assert newest is not None

    state = await until(api, webhook, last_event_id=newest.id)

    assert (state["missed"], receiver.received) == (0, [])
    assert (await shown(api, webhook))["kinds"] == ["image.*"]


@pytest.mark.slow
async def test_a_stopping_service_does_not_wait_for_a_receiver_that_hangs_and_the_next_one_sends_it_again(
    settings: Settings, receiver: Receiver
) -> None:
    receiver.reply = lambda _received: None
    settings = settings.model_copy(update={"webhook_timeout_seconds": 60})
    async with asyncio.timeout(20):
        async with serving(settings) as api:
            await made(api, receiver)
            await happen(await new_server())
            await came(receiver, 1)

    receiver.reply = always(200)
    async with serving(settings):
        first, second = await came(receiver, 2)
    assert first.id == second.id


@pytest.mark.parametrize("host", ["a..example", "a" * 64 + ".example"])
async def test_a_url_of_before_whose_name_is_none_is_said_and_tried_at_leisure_like_any_that_is_away(
    api: httpx.AsyncClient, receiver: Receiver, server: Server, capsys: pytest.CaptureFixture[str], host: str
) -> None:
    webhook = await made(api, receiver)
    await Webhook.filter(id=webhook["id"]).update(url=f"http://{host}/")
    says = "The name of the receiver can't be resolved"

    await happen(server)
    state = await until(api, webhook, health="failing")
    answer = await api.post(f"/api/webhooks/{webhook['id']}/test")

    assert (state["reason"], state["status"]) == (says, None)
    assert (answer.status_code, answer.json()["error"]) == (200, says)
    assert "Traceback" not in "".join(capsys.readouterr())
    await api.put(f"/api/webhooks/{webhook['id']}", json={"url": receiver.url})
    await came(receiver, 1)
