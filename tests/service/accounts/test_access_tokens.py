# SPDX-License-Identifier: GPL-3.0-or-later
"""Access tokens that are not, or no longer, good."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest

from hostler.settings import Settings
from tests.service.conftest import ADMIN_PASSWORD, USER_PASSWORD, Headers, MakeUser, log_in

pytestmark = pytest.mark.anyio

Forge = Callable[..., str]


@pytest.fixture
def key(settings: Settings) -> tuple[str, bytes]:
    """The name and bytes of the key that the running service signs with."""
    assert settings.signing_keys_file is not None
    content = json.loads(settings.signing_keys_file.read_text())
    return content["active"], base64.b64decode(content["keys"][content["active"]])


@pytest.fixture
async def forge(client: httpx.AsyncClient, key: tuple[str, bytes]) -> Forge:
    """Make a token from the claims of a good one, with some of them changed, or taken out (None)."""
    good = (await log_in(client, "admin", ADMIN_PASSWORD))["Authorization"].removeprefix("Bearer ")
    claims = jwt.decode(good, options={"verify_signature": False})
    name, secret = key

    def make(*, algorithm: str = "HS256", signing_key: bytes = secret, kid: str | None = name, **changes: Any) -> str:
        changed = {claim: value for claim, value in (claims | changes).items() if value is not None}
        return jwt.encode(changed, signing_key, algorithm=algorithm, headers={"kid": kid} if kid else {})

    return make


async def status(client: httpx.AsyncClient, token: str) -> int:
    answer = await client.get("/api/auth/me", headers={"Authorization": f"Bearer {token}"})
    if answer.status_code == 401:
        assert answer.json()["detail"] == "Could not validate credentials"
        assert answer.headers["www-authenticate"] == "Bearer"
    return answer.status_code


async def test_the_forge_makes_good_tokens(client: httpx.AsyncClient, forge: Forge) -> None:
    assert await status(client, forge()) == 200


@pytest.mark.parametrize("claim", ["exp", "iat", "iss", "aud", "sub", "jti", "epoch", "session"])
@pytest.mark.rule("access-tokens")
async def test_every_claim_is_required(client: httpx.AsyncClient, forge: Forge, claim: str) -> None:
    assert await status(client, forge(**{claim: None})) == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": timedelta(minutes=-1)},
        {"iat": timedelta(hours=1)},
        {"iss": "another-service"},
        {"aud": "another-service"},
        {"aud": ["hostler-web"]},
        {"sub": "2"},
        {"sub": "1 OR 1=1"},
        {"sub": "99999999999999999999999999"},
        {"epoch": 0},
        {"epoch": 2},
        {"epoch": "x"},
    ],
    ids=str,
)
@pytest.mark.rule("access-tokens")
async def test_a_wrong_claim_is_refused(client: httpx.AsyncClient, forge: Forge, changes: dict[str, Any]) -> None:
    now = datetime.now(UTC)
    claims = {name: now + value if isinstance(value, timedelta) else value for name, value in changes.items()}

    assert await status(client, forge(**claims)) == 401


async def test_another_key_is_refused(client: httpx.AsyncClient, forge: Forge) -> None:
    assert await status(client, forge(signing_key=b"another key of thirty-two bytes.")) == 401


@pytest.mark.parametrize("kid", [None, "", "../../etc/passwd", "no-such-key"])
async def test_an_unknown_key_name_is_refused(client: httpx.AsyncClient, forge: Forge, kid: str | None) -> None:
    assert await status(client, forge(kid=kid)) == 401


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
@pytest.mark.rule("access-tokens")
async def test_no_other_algorithm_is_taken_even_with_our_key(
    client: httpx.AsyncClient, forge: Forge, algorithm: str, key: tuple[str, bytes]
) -> None:
    # PyJWT would warn that the key is short for these algorithms
    long_key = key[1].ljust(64, b"\0")

    assert await status(client, forge(algorithm=algorithm, signing_key=long_key)) == 401


@pytest.mark.rule("access-tokens")
async def test_a_token_without_a_signature_is_refused(client: httpx.AsyncClient, forge: Forge) -> None:
    header, payload, _ = forge().split(".")
    fields = json.loads(base64.urlsafe_b64decode(header + "=="))
    for algorithm in ("none", "None", "NONE"):
        unsigned = base64.urlsafe_b64encode(json.dumps(fields | {"alg": algorithm}).encode()).decode().rstrip("=")
        assert await status(client, f"{unsigned}.{payload}.") == 401


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer a.b.c",
        "Basic YWRtaW46YWRtaW4=",
        "Bearer hostler_",
        "Bearer hostler_aaaaaaaa_" + "a" * 40,
        "bearer null",
        "Bearer \xff\xfe",
    ],
)
async def test_a_malformed_header_is_refused(client: httpx.AsyncClient, header: str) -> None:
    answer = await client.get("/api/auth/me", headers={"Authorization": header.encode("latin-1")})

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_refresh_token_is_no_access_token(client: httpx.AsyncClient) -> None:
    form = {"username": "admin", "password": ADMIN_PASSWORD}
    pair = (await client.post("/api/auth/login", data=form)).json()

    assert await status(client, pair["refresh_token"]) == 401


async def test_the_scheme_is_compared_without_case(client: httpx.AsyncClient, forge: Forge) -> None:
    answer = await client.get("/api/auth/me", headers={"Authorization": f"bEARER {forge()}"})

    assert answer.status_code == 200


@pytest.mark.parametrize("change", [{"enabled": False}, {"password": "another password"}])
@pytest.mark.rule("sessions-end")
async def test_disabling_or_a_new_password_ends_a_session_at_once(
    client: httpx.AsyncClient, make_user: MakeUser, admin_headers: Headers, change: dict[str, Any]
) -> None:
    ada = await make_user("ada", "read")
    session = await log_in(client, "ada", USER_PASSWORD)

    changed = await client.put(f"/api/users/{ada.id}", json=change, headers=admin_headers)

    assert changed.status_code == 200
    assert (await client.get("/api/auth/me", headers=session)).status_code == 401


async def test_an_ended_session_stays_ended_when_the_user_is_enabled_again(
    client: httpx.AsyncClient, make_user: MakeUser, admin_headers: Headers
) -> None:
    ada = await make_user("ada", "read")
    session = await log_in(client, "ada", USER_PASSWORD)
    for enabled in (False, True):
        await client.put(f"/api/users/{ada.id}", json={"enabled": enabled}, headers=admin_headers)

    assert (await client.get("/api/auth/me", headers=session)).status_code == 401


async def test_a_deleted_users_session_ends(
    client: httpx.AsyncClient, make_user: MakeUser, admin_headers: Headers
) -> None:
    ada = await make_user("ada", "read")
    session = await log_in(client, "ada", USER_PASSWORD)

    await client.delete(f"/api/users/{ada.id}", headers=admin_headers)

    assert (await client.get("/api/auth/me", headers=session)).status_code == 401


async def test_a_permission_that_is_taken_away_is_gone_from_the_session(
    client: httpx.AsyncClient, make_user: MakeUser, admin_headers: Headers
) -> None:
    ada = await make_user("ada", "read", "admin")
    session = await log_in(client, "ada", USER_PASSWORD)
    assert (await client.get("/api/users", headers=session)).status_code == 200

    await client.put(f"/api/users/{ada.id}", json={"permissions": ["read"]}, headers=admin_headers)

    assert (await client.get("/api/users", headers=session)).status_code == 403
