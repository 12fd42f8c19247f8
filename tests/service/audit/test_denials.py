# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused is on record, and whoever is refused can't fill the database."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import structlog.testing
from fastapi import FastAPI

from hostler.accounts import api_tokens
from hostler.accounts.models import User
from hostler.accounts.signing import AccessClaims
from hostler.audit import denials as bounds
from hostler.audit.denials import Denial, Denials
from hostler.audit.origin import Auth, Origin
from hostler.audit.record import Target
from hostler.database import Database
from hostler.permission import Permission
from tests.service.audit.conftest import audited, counted
from tests.service.conftest import ADMIN_PASSWORD, USER_PASSWORD, Headers, MakeUser, log_in

pytestmark = pytest.mark.anyio


def bearer(token: str) -> Headers:
    return {"Authorization": f"Bearer {token}"}


async def test_who_may_not_is_on_record_with_what(
    app: FastAPI, client: httpx.AsyncClient, read_headers: Headers
) -> None:
    for _ in range(5):
        assert (await client.get("/api/users", headers=read_headers)).status_code == 403
    assert (await client.delete("/api/vms/17", headers=read_headers)).status_code == 403

    first, other = await audited("permission.denied")
    assert (first["actor"], first["auth"], first["token_name"]) == ("reader", "token", "tests")
    assert (first["outcome"], first["address"]) == ("denied", "192.0.2.1")
    assert (first["target_kind"], first["target_name"]) == ("route", "GET /api/users")
    assert (other["target_name"], other["details"]["path"]) == ("DELETE /api/vms/{vm_id}", "/api/vms/17")
    await counted(app)
    (third,) = (await audited("permission.denied"))[2:]
    assert (third["target_name"], third["details"]["count"], third["actor"]) == ("GET /api/users", 4, "reader")


async def test_what_belongs_to_others_is_denied_by_the_endpoint_and_on_record_too(
    client: httpx.AsyncClient, admin_headers: Headers, read_headers: Headers
) -> None:
    made = await client.post("/api/tokens", json={"name": "a", "scopes": ["read"]}, headers=admin_headers)

    assert (await client.delete(f"/api/tokens/{made.json()['id']}", headers=read_headers)).status_code == 403

    (entry,) = await audited("permission.denied")
    assert (entry["actor"], entry["target_name"]) == ("reader", "DELETE /api/tokens/{token_id}")


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "no_credential"),
        ({"Authorization": "Basic YTpi"}, "no_credential"),
        (bearer("nonsense"), "unknown_token"),
        (bearer("hostler_abcdefgh_" + "x" * 40), "unknown_token"),
    ],
)
async def test_a_stranger_is_counted_by_the_minute(
    app: FastAPI, client: httpx.AsyncClient, headers: Headers, reason: str
) -> None:
    for _ in range(50):
        assert (await client.get("/api/vms", headers=headers)).status_code == 401

    (entry,) = await audited("authentication.denied")
    assert (entry["actor"], entry["actor_id"], entry["auth"]) == ("", None, "none")
    assert entry["details"] == {"method": "GET", "path": "/api/vms", "reason": reason}
    await counted(app)
    _, rest = await audited("authentication.denied")
    assert (rest["details"]["count"], rest["address"]) == (49, "192.0.2.1")
    await counted(app)
    assert len(await audited("authentication.denied")) == 2, "what was written is written once"


async def test_whose_token_it_was_is_said_where_that_is_certain(client: httpx.AsyncClient, make_user: MakeUser) -> None:
    ada = await make_user("ada", "read")
    token, secret = await api_tokens.create_token(ada.id, "old", [Permission.READ], list(Permission), 1)
    await api_tokens.revoke_token(token)

    assert (await client.get("/api/vms", headers=bearer(secret))).status_code == 401

    (entry,) = await audited("authentication.denied")
    assert (entry["target_kind"], entry["target_name"], entry["auth"]) == ("user", "ada", "none")
    assert entry["details"]["reason"] == "token_ended"
    assert entry["details"]["token_prefix"] == token.prefix


async def test_an_ended_session_is_told_of_and_one_whose_time_was_over_is_everyday(
    app: FastAPI, client: httpx.AsyncClient, make_user: MakeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_user("ada", "read")
    session = await log_in(client, "ada", USER_PASSWORD)
    signer = app.state.accounts.signer
    with monkeypatch.context() as patch:
        patch.setattr(signer, "lifetime", -signer.lifetime)
        expired = signer.sign(AccessClaims(1, 1, "s"))
    assert (await client.get("/api/vms", headers=bearer(expired))).status_code == 401
    assert await audited("authentication.denied") == []

    await User.filter(username="ada").update(enabled=False)
    assert (await client.get("/api/vms", headers=session)).status_code == 401

    (entry,) = await audited("authentication.denied")
    assert (entry["target_name"], entry["details"]["reason"]) == ("ada", "session_ended")


async def test_logins_that_fail_and_those_that_are_not_even_tried(
    app: FastAPI, client: httpx.AsyncClient, make_user: MakeUser
) -> None:
    await make_user("ada", "read")
    statuses = [
        (await client.post("/api/auth/login", data={"username": name, "password": "wrong"})).status_code
        for name in ["ada"] * 6 + ["a password that was typed here"] * 4 + ["ada"] * 5
    ]
    assert statuses == [401] * 10 + [429] * 5
    await counted(app)

    failed = await audited("login.failed")
    throttled = await audited("login.throttled")

    assert [entry["target_name"] for entry in failed] == ["ada", None, "ada", None]
    assert [entry["details"] and entry["details"]["count"] for entry in failed] == [None, None, 5, 3]
    assert [entry["details"] and entry["details"]["count"] for entry in throttled] == [None, 4]
    assert {entry["outcome"] for entry in failed + throttled} == {"denied"}
    assert await audited("authentication.denied") == []


async def test_a_right_password_leaves_no_failure(client: httpx.AsyncClient) -> None:
    await log_in(client, "admin", ADMIN_PASSWORD)

    assert await audited("login.failed") == []


async def test_the_address_is_the_clients_as_a_trusted_proxy_says_and_a_v6_network_is_one(app: FastAPI) -> None:
    for number in range(8):
        transport = httpx.ASGITransport(app, client=(f"2001:db8:1:2::{number + 1}", 40000))
        async with httpx.AsyncClient(transport=transport, base_url="http://hostler.test") as client:
            await client.get("/api/vms")
    await counted(app)

    first, rest = await audited("authentication.denied")
    assert first["address"] == "2001:db8:1:2::1"
    assert rest["details"]["count"] == 7


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def denied(address: str, action: str = "authentication.denied", group: Any = "strangers") -> Denial:
    return Denial(action, group, address, Origin("", Auth.NONE, address=address), Target("route", None, "GET /x"), {})


async def test_a_flood_from_everywhere_writes_no_more_than_is_said(database: Database) -> None:
    clock = Clock()
    denials = Denials(clock)
    before = len(await audited())

    for number in range(5000):
        await denials.note(denied(f"192.0.{number // 250}.{number % 250}"))
    for _ in range(3):
        await denials.note(denied("192.0.0.1"))
    assert len(await audited()) - before == bounds.MOST_KINDS
    await denials.note(denied("ada", "permission.denied", group=7))
    clock.seconds = bounds.WINDOW_SECONDS
    await denials.write_if_over()

    written = (await audited())[before:]
    assert len(written) == bounds.MOST_KINDS + 1 + 2, "who is known is not lost among strangers"
    repeated, others = written[-2:]
    assert (repeated["address"], repeated["details"]["count"]) == ("192.0.0.1", 3)
    assert (others["address"], others["details"]) == (None, {"count": 5000 - bounds.MOST_KINDS, "kinds": "others"})


async def test_each_minute_tells_anew(database: Database) -> None:
    clock = Clock()
    denials = Denials(clock)
    for minute in range(3):
        clock.seconds = minute * bounds.WINDOW_SECONDS
        await denials.note(denied("192.0.2.1"))

    assert len(await audited("authentication.denied")) == 3


async def test_what_was_counted_is_written_when_the_service_ends(database: Database) -> None:
    async with Denials.running() as denials:
        for _ in range(4):
            await denials.note(denied("192.0.2.1"))

    _, rest = await audited("authentication.denied")
    assert rest["details"]["count"] == 3


async def test_a_refusal_is_the_same_where_it_can_not_be_written(app: FastAPI, client: httpx.AsyncClient) -> None:
    await app.state.database.connection.execute_query("ALTER TABLE audit_entry RENAME TO elsewhere")

    with structlog.testing.capture_logs() as logged:
        answer = await client.get("/api/vms")

    assert (answer.status_code, answer.json()["detail"]) == (401, "Could not validate credentials")
    assert "audit.denial_not_written" in {line["event"] for line in logged}
    await app.state.database.connection.execute_query("ALTER TABLE elsewhere RENAME TO audit_entry")
