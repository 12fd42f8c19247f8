# SPDX-License-Identifier: GPL-3.0-or-later
"""``/api/tokens``, and what a token can do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from hostler.accounts.models import ApiToken
from tests.service.conftest import USER_PASSWORD, Headers, MakeUser, log_in

pytestmark = pytest.mark.anyio

NEW = {"name": "ci", "scopes": ["read"], "expires_in_days": 30}


@pytest.fixture
async def ada(client: httpx.AsyncClient, make_user: MakeUser) -> Headers:
    """The session of a user who may read and write."""
    await make_user("ada", "read", "write")
    return await log_in(client, "ada", USER_PASSWORD)


def bearer(token: str) -> Headers:
    return {"Authorization": f"Bearer {token}"}


async def create(client: httpx.AsyncClient, headers: Headers, **changes: Any) -> dict[str, Any]:
    answer = await client.post("/api/tokens", json=NEW | changes, headers=headers)
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


@pytest.mark.rule("tokens")
async def test_a_tokens_secret_is_shown_once(client: httpx.AsyncClient, ada: Headers) -> None:
    made = await create(client, ada)

    assert made["token"].startswith(made["prefix"] + "_")
    assert made["user"]["username"] == "ada"
    listed = (await client.get("/api/tokens", headers=ada)).json()
    shown = {name: value for name, value in made.items() if name != "token"}
    assert listed == {"items": [shown], "total": 1, "page": 1, "per_page": 20, "total_pages": 1}
    assert (await client.get(f"/api/tokens/{made['id']}", headers=ada)).json() == shown
    stored = await ApiToken.get(id=made["id"])
    assert made["token"] not in str(dict(stored))


@pytest.mark.rule("auth-me", "permissions")
async def test_a_token_is_good_for_its_scopes_only(client: httpx.AsyncClient, ada: Headers) -> None:
    made = await create(client, ada)

    me = (await client.get("/api/auth/me", headers=bearer(made["token"]))).json()

    assert (me["username"], me["permissions"], me["credential"]) == ("ada", ["read"], "api_token")


@pytest.mark.rule("tokens")
async def test_a_token_cannot_exceed_its_owner(client: httpx.AsyncClient, ada: Headers) -> None:
    answer = await client.post("/api/tokens", json=NEW | {"scopes": ["read", "admin"]}, headers=ada)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "scopes"


async def test_a_token_cannot_make_a_stronger_one(client: httpx.AsyncClient, ada: Headers) -> None:
    weak = await create(client, ada)

    answer = await client.post("/api/tokens", json=NEW | {"scopes": ["write"]}, headers=bearer(weak["token"]))

    assert answer.status_code == 422


@pytest.mark.rule("tokens")
async def test_a_token_cannot_make_one_that_outlives_it(client: httpx.AsyncClient, ada: Headers) -> None:
    mortal = await create(client, ada, expires_in_days=1)
    eternal = await create(client, ada, expires_in_days=None)

    for days in (None, 90):
        made = await create(client, bearer(mortal["token"]), expires_in_days=days)
        assert made["expires_at"] == mortal["expires_at"]
    assert (await create(client, bearer(eternal["token"]), expires_in_days=None))["expires_at"] is None


async def test_a_token_loses_what_its_owner_loses(
    client: httpx.AsyncClient, ada: Headers, admin_headers: Headers
) -> None:
    made = await create(client, ada, scopes=["read", "write"])

    await client.put(f"/api/users/{made['user']['id']}", json={"permissions": ["read"]}, headers=admin_headers)

    assert (await client.get("/api/auth/me", headers=bearer(made["token"]))).json()["permissions"] == ["read"]


@pytest.mark.parametrize("change", [{"enabled": False}, {"password": "another password"}])
@pytest.mark.rule("sessions-end")
async def test_disabling_or_a_new_password_revokes_tokens_for_good(
    client: httpx.AsyncClient, ada: Headers, admin_headers: Headers, change: dict[str, Any]
) -> None:
    made = await create(client, ada)

    for body in (change, {"enabled": True}):
        await client.put(f"/api/users/{made['user']['id']}", json=body, headers=admin_headers)

    assert (await client.get("/api/auth/me", headers=bearer(made["token"]))).status_code == 401


async def test_a_revoked_token_is_refused_and_no_longer_listed(client: httpx.AsyncClient, ada: Headers) -> None:
    made = await create(client, ada)

    answer = await client.delete(f"/api/tokens/{made['id']}", headers=ada)

    assert (answer.status_code, answer.json()) == (200, {"message": "Token 'ci' revoked successfully"})
    assert (await client.get("/api/auth/me", headers=bearer(made["token"]))).status_code == 401
    assert (await client.get("/api/tokens", headers=ada)).json()["total"] == 0
    assert (await client.get(f"/api/tokens/{made['id']}", headers=ada)).json()["revoked_at"].endswith("Z")


async def test_an_expired_token_is_refused(client: httpx.AsyncClient, ada: Headers) -> None:
    made = await create(client, ada)
    await ApiToken.filter(id=made["id"]).update(expires_at=datetime.now(UTC) - timedelta(seconds=1))

    assert (await client.get("/api/auth/me", headers=bearer(made["token"]))).status_code == 401


@pytest.mark.rule("tokens")
async def test_expiry_is_as_asked(client: httpx.AsyncClient, ada: Headers) -> None:
    made = await create(client, ada)
    expires = datetime.fromisoformat(made["expires_at"])

    assert timedelta(days=29, hours=23) < expires - datetime.now(UTC) <= timedelta(days=30)
    assert (await create(client, ada, expires_in_days=None))["expires_at"] is None


@pytest.mark.rule("tokens")
async def test_use_is_noted_and_written_at_the_end(app: FastAPI, client: httpx.AsyncClient, ada: Headers) -> None:
    made = await create(client, ada)
    await client.get("/api/auth/me", headers=bearer(made["token"]))

    await app.state.accounts.token_use.write()

    shown = (await client.get(f"/api/tokens/{made['id']}", headers=ada)).json()
    assert datetime.now(UTC) - datetime.fromisoformat(shown["last_used_at"]) < timedelta(minutes=1)


@pytest.mark.rule("tokens")
async def test_others_tokens_are_for_administrators(
    client: httpx.AsyncClient, ada: Headers, read_headers: Headers, admin_headers: Headers
) -> None:
    made = await create(client, ada)
    path = f"/api/tokens/{made['id']}"

    assert (await client.get(path, headers=read_headers)).status_code == 403
    assert (await client.delete(path, headers=read_headers)).status_code == 403
    assert made["id"] not in [t["id"] for t in (await client.get("/api/tokens", headers=read_headers)).json()["items"]]
    assert (await client.get(path, headers=admin_headers)).status_code == 200
    everybodys = (await client.get("/api/tokens", headers=admin_headers)).json()["items"]
    assert {token["user"]["username"] for token in everybodys} == {"ada", "reader"}
    adas = await client.get("/api/tokens", params={"user_id": made["user"]["id"]}, headers=admin_headers)
    assert [token["id"] for token in adas.json()["items"]] == [made["id"]]
    assert (await client.delete(path, headers=admin_headers)).status_code == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "   "),
        ("name", "x" * 101),
        ("name", "a\x00b"),
        ("scopes", []),
        ("scopes", ["root"]),
        ("scopes", "read"),
        ("expires_in_days", 0),
        ("expires_in_days", 3651),
        ("expires_in_days", 1.5),
        ("expires_in_days", True),
        ("expires_in_days", "30"),
        ("user_id", 1),
        ("token", "mine"),
    ],
)
async def test_a_malformed_token_request_names_the_field(
    client: httpx.AsyncClient, ada: Headers, field: str, value: Any
) -> None:
    answer = await client.post("/api/tokens", json=NEW | {field: value}, headers=ada)

    assert answer.status_code == 422
    assert field in answer.json()["detail"]


async def test_a_token_does_not_change_its_owners_password(client: httpx.AsyncClient, ada: Headers) -> None:
    made = await create(client, ada)
    change = {"current_password": USER_PASSWORD, "new_password": "another password"}

    answer = await client.post("/api/auth/password", json=change, headers=bearer(made["token"]))

    assert answer.status_code == 403
