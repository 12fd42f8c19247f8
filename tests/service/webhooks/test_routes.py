# SPDX-License-Identifier: GPL-3.0-or-later
"""``/api/webhooks``: who may, what is refused, and that secrets are shown once and stored sealed."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import httpx
import pytest

from hostler.hosts.models import Server
from hostler.webhooks import actions
from hostler.webhooks.models import Webhook
from tests.service.conftest import Headers
from tests.service.webhooks.conftest import MakeReceiver, came, happen, made, shown, until
from tests.service.webhooks.receiver import Receiver

pytestmark = pytest.mark.anyio

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.mark.rule("webhooks")
async def test_webhooks_are_for_administrators_alone(
    client: httpx.AsyncClient, api: httpx.AsyncClient, receiver: Receiver, read_headers: Headers, write_headers: Headers
) -> None:
    webhook = await made(api, receiver)
    path = f"/api/webhooks/{webhook['id']}"
    for headers in (read_headers, write_headers):
        for method, where in (("GET", "/api/webhooks"), ("GET", path), ("DELETE", path), ("POST", f"{path}/test")):
            assert (await client.request(method, where, headers=headers)).status_code == 403

    assert receiver.received == []
    assert (await client.get(path)).status_code == 401


@pytest.mark.rule("webhooks")
async def test_a_secret_is_shown_by_the_answer_that_made_it_and_never_again(
    api: httpx.AsyncClient, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    generated = await made(api, receiver)
    given = await made(api, receiver, secret=SECRET)
    rotated = (await api.post(f"/api/webhooks/{given['id']}/rotate-secret", json={})).json()

    assert generated["secret"].startswith("whsec_")
    assert given["secret"] == SECRET
    assert rotated["secret"] not in (SECRET, generated["secret"])
    secrets = [generated["secret"], SECRET, rotated["secret"]]
    later = [await api.get("/api/webhooks"), await api.get(f"/api/webhooks/{given['id']}")]
    later.append(await api.put(f"/api/webhooks/{given['id']}", json={"description": "x"}))
    stored = json.dumps([dict(row) for row in await Webhook.all().values()], default=str)
    logged = "".join(capsys.readouterr())
    for secret in secrets:
        assert all(secret[6:] not in answer.text for answer in later)
        assert secret[6:] not in stored
        assert secret[6:] not in logged
    assert all("secret" not in item for item in later[0].json()["items"])


async def test_messages_are_signed_with_both_secrets_for_as_long_as_they_overlap(
    api: httpx.AsyncClient, receiver: Receiver, server: Server
) -> None:
    webhook = await made(api, receiver)
    path = f"/api/webhooks/{webhook['id']}/rotate-secret"

    second = (await api.post(path, json={"overlap_hours": 1})).json()
    await happen(server)
    (both,) = await came(receiver, 1)
    third = (await api.post(path, json={"overlap_hours": 0, "secret": SECRET})).json()
    await happen(server)
    (_, one) = await came(receiver, 2)

    assert datetime.fromisoformat(second["old_secret_until"]) > datetime.fromisoformat(second["updated_at"])
    assert both.is_signed_with(webhook["secret"])
    assert both.is_signed_with(second["secret"])
    assert (third["old_secret_until"], third["secret"]) == (None, SECRET)
    assert one.is_signed_with(SECRET)
    assert not one.is_signed_with(second["secret"])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": "ftp://192.0.2.1/"}, "url"),
        ({"url": "http://user:password@receiver.example/"}, "url"),
        ({"url": "http://receiver.example/#part"}, "url"),
        ({"url": "http://receiver.example/\r\nX: y"}, "url"),
        ({"url": "http://receiver.example/\t"}, "url"),
        ({"url": "http://receiver.example:0/"}, "url"),
        ({"url": "http://receiver.example:99999/"}, "url"),
        ({"url": "http://receiver.example\\@127.0.0.1/"}, "url"),
        ({"url": "http://empfänger.example/"}, "url"),
        ({"url": "http:///path"}, "url"),
        ({"url": "http://300.1.1.1/"}, "url"),
        ({"url": "http://receiver..example/"}, "url"),
        ({"url": f"http://{'a' * 64}.example/"}, "url"),
        ({"url": "http://[fec0::1]/"}, "url"),
        ({"url": "http://receiver.example/" + "x" * 2048}, "url"),
        ({"url": "http://169.254.169.254/latest/meta-data"}, "url"),
        ({"url": "http://[fe80::1]/"}, "url"),
        ({"url": "http://[::ffff:10.0.0.1]/"}, "url"),
        ({"url": "http://10.0.0.1/"}, "url"),
        ({"url": "http://0.0.0.0/"}, "url"),
        ({"url": "http://a.example/", "kinds": ["vm.started"]}, "kinds"),
        ({"url": "http://a.example/", "kinds": ["*"]}, "kinds"),
        ({"url": "http://a.example/", "secret": "short"}, "secret"),
        ({"url": "http://a.example/", "secret": "whsec_" + "A" * 100}, "secret"),
        ({"url": "http://a.example/", "secret": SECRET.removeprefix("whsec_")}, "secret"),
        ({"url": "http://a.example/", "vm_id": "1"}, "vm_id"),
        ({"url": "http://a.example/", "enabled": "no"}, "enabled"),
        ({"url": "http://a.example/", "retries": 1}, "retries"),
    ],
)
async def test_what_is_wrong_is_refused_by_the_name_of_its_field(
    api: httpx.AsyncClient, body: dict[str, Any], field: str
) -> None:
    answer = await api.post("/api/webhooks", json=body)

    assert answer.status_code == 422, answer.text
    assert [one["field"] for one in answer.json()["errors"]] == [field]
    assert "password" not in answer.text
    assert "AAAA" not in answer.text
    assert not await Webhook.all().exists()


async def test_a_change_is_looked_at_as_a_create_is(api: httpx.AsyncClient, receiver: Receiver) -> None:
    webhook = await made(api, receiver, vm_id=3, kinds=["vm.created", "vm.created"])
    path = f"/api/webhooks/{webhook['id']}"

    for body in ({"url": "http://10.1.2.3/"}, {"url": None}, {"kinds": ["x"]}, {"secret": SECRET}, {"enabled": None}):
        assert (await api.put(path, json=body)).status_code == 422, body
    changed = await api.put(path, json={"vm_id": None, "server_id": 4, "kinds": ["job.*"], "description": "ä"})

    assert webhook["kinds"] == ["vm.created"]
    expected = {"vm_id": None, "server_id": 4, "kinds": ["job.*"], "description": "ä", "url": receiver.url}
    assert expected.items() <= changed.json().items()
    assert changed.json()["updated_at"] > webhook["updated_at"]
    assert changed.json()["created_at"] == webhook["created_at"]
    assert await shown(api, webhook) == changed.json()
    assert (await api.put(path, json={})).json() == changed.json()


async def test_lists_are_paged_and_what_is_not_there_is_404(
    api: httpx.AsyncClient, make_receiver: MakeReceiver
) -> None:
    one, two = await made(api, make_receiver()), await made(api, make_receiver())

    page = (await api.get("/api/webhooks", params={"per_page": 1, "page": 2})).json()

    assert ([item["id"] for item in page["items"]], page["total"]) == ([two["id"]], 2)
    missing = [
        await api.get("/api/webhooks/99"),
        await api.post("/api/webhooks/99/test"),
        await api.get(f"/api/webhooks/{one['id']}/deliveries/1"),
        await api.post(f"/api/webhooks/{one['id']}/deliveries/1/redeliver"),
    ]
    assert [answer.status_code for answer in missing] == [404] * 4
    assert missing[0].json()["detail"] == "Webhook with ID 99 not found"
    assert missing[3].json()["detail"] == f"Webhook {one['id']} has no delivery with ID 1"


async def test_there_are_no_more_webhooks_than_may_send_at_once(
    api: httpx.AsyncClient, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "MOST", 2)
    for _ in range(2):
        await made(api, receiver)

    answer = await api.post("/api/webhooks", json={"url": receiver.url})

    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_webhooks")


async def test_a_webhook_whose_seal_is_broken_is_whole_again_with_a_new_secret(
    api: httpx.AsyncClient, receiver: Receiver, server: Server
) -> None:
    webhook = await made(api, receiver)
    await Webhook.filter(id=webhook["id"]).update(secret="sealed with a key that was lost")
    await happen(server)
    state = await until(api, webhook, health="failing")
    assert state["reason"] == "The secret of this webhook can't be opened: the sealing key is another one"

    rotated = (await api.post(f"/api/webhooks/{webhook['id']}/rotate-secret", json={})).json()

    (received,) = await came(receiver, 1)
    assert received.is_signed_with(rotated["secret"])
    # nothing is signed with what nobody can open, and nobody is told so
    assert rotated["old_secret_until"] is None


async def test_an_old_secret_that_can_not_be_opened_any_more_keeps_no_message_back(
    api: httpx.AsyncClient, receiver: Receiver, server: Server
) -> None:
    webhook = await made(api, receiver)
    rotated = (await api.post(f"/api/webhooks/{webhook['id']}/rotate-secret", json={})).json()
    await Webhook.filter(id=webhook["id"]).update(old_secret="sealed with a key that was taken out")

    await happen(server)

    (received,) = await came(receiver, 1)
    assert received.is_signed_with(rotated["secret"])
