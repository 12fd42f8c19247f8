# SPDX-License-Identifier: GPL-3.0-or-later
"""Every credential that is none, on every route that asks for one: 401 in the contract's words, whatever is sent."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi import FastAPI

from hostler.accounts import api_tokens, users
from hostler.permission import Permission
from hostler.settings import Settings
from tests.service.conftest import USER_PASSWORD, Headers, MakeUser, log_in
from tests.service.hostile.every_route import ask, operations

pytestmark = pytest.mark.anyio

USER = "mallory"


@pytest.fixture
def key(settings: Settings) -> tuple[str, bytes]:
    """The name and bytes of the key that the running service signs with."""
    assert settings.signing_keys_file is not None
    content = json.loads(settings.signing_keys_file.read_text())
    return content["active"], base64.b64decode(content["keys"][content["active"]])


@pytest.fixture
async def good(client: httpx.AsyncClient, make_user: MakeUser) -> dict[str, Any]:
    """The pair of tokens of a user who may do everything."""
    await make_user(USER, *Permission)
    answer = await client.post("/api/auth/login", data={"username": USER, "password": USER_PASSWORD})
    pair: dict[str, Any] = answer.json()
    return pair


@pytest.fixture
def claims(good: dict[str, Any]) -> dict[str, Any]:
    """What the good token says."""
    said: dict[str, Any] = jwt.decode(good["access_token"], options={"verify_signature": False})
    return said


def base64url(value: bytes | dict[str, Any]) -> str:
    content = json.dumps(value).encode() if isinstance(value, dict) else value
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def signed(header: dict[str, Any], claims: dict[str, Any], key: bytes, digest: str = "sha256") -> str:
    """A token made by hand, because PyJWT would not make most of these."""
    text = f"{base64url(header)}.{base64url(claims)}"
    return f"{text}.{base64url(hmac.new(key, text.encode(), digest).digest())}"


async def assert_refused(app: FastAPI, what: str, headers: Headers, query: str = "") -> None:
    """Every route that is not public refuses these headers, and says nothing of why."""
    for operation in operations(app):
        if operation.permission == "public":
            continue
        answer = await ask(app, operation.method, operation.filled("1") + query, headers, b"{not json")
        assert answer.status == 401, f"{operation} with {what}: {answer.status} {answer.content[:200]!r}"
        assert answer.json()["detail"] == "Could not validate credentials", operation
        assert answer.headers["www-authenticate"] == "Bearer", operation


async def status_of(app: FastAPI, headers: Headers) -> int:
    return (await ask(app, "GET", "/api/auth/me", headers)).status


def bearer(token: str) -> Headers:
    return {"Authorization": f"Bearer {token}"}


async def test_the_forge_of_these_tests_makes_a_good_token_from_good_parts(
    app: FastAPI, key: tuple[str, bytes], claims: dict[str, Any]
) -> None:
    name, secret = key

    assert await status_of(app, bearer(signed({"alg": "HS256", "kid": name}, claims, secret))) == 200


async def test_what_is_no_token_at_all(app: FastAPI, good: dict[str, Any]) -> None:
    token = good["access_token"]
    header, body, signature = token.split(".")
    for value in (
        "",
        token,
        "Bearer",
        "Bearer ",
        f"Basic {token}",
        "Basic " + base64.b64encode(f"{USER}:{USER_PASSWORD}".encode()).decode(),
        f"Bearer: {token}",
        f"Bearer {token} {token}",
        f"Bearer {token},",
        f"Bearer,{token}",
        f'Bearer "{token}"',
        f"Token {token}",
        f"Bearer {header}.{body}",
        f"Bearer {header}.{body}.",
        f"Bearer {header}..{signature}",
        f"Bearer {header}.{body}.{signature[:-4]}",
        f"Bearer {header}.{body}.{signature}.{signature}",
        f"Bearer {header}.{body}.{signature[::-1]}",
        "Bearer ..",
        "Bearer null",
        "Bearer undefined",
        "Bearer {}",
        "Bearer \xff\xfe\x00",
        "Bearer " + "A" * 65536,
        "Bearer " + ".".join(["A" * 20000] * 3),
        "Bearer " + base64url(b"[" * 5000) + ".e30.e30",
        "Bearer hostler_",
        "Bearer hostler_aaaaaaaa_" + "a" * 40,
        "Bearer hostler_' OR '1'='1",
    ):
        await assert_refused(app, value[:80], {"Authorization": value})
    await assert_refused(app, "no header at all", {})


async def test_a_token_of_which_a_claim_is_missing(
    app: FastAPI, key: tuple[str, bytes], claims: dict[str, Any]
) -> None:
    name, secret = key
    for claim in ("exp", "iat", "iss", "aud", "sub", "jti", "epoch", "session"):
        left = {one: value for one, value in claims.items() if one != claim}
        await assert_refused(app, f"no {claim}", bearer(signed({"alg": "HS256", "kid": name}, left, secret)))


async def test_a_token_that_has_expired_or_is_another_services_or_nobodys(
    app: FastAPI, key: tuple[str, bytes], claims: dict[str, Any]
) -> None:
    name, secret = key
    now = int(time.time())
    for changes in (
        {"exp": now - 60},
        {"exp": 0},
        {"exp": -1},
        {"exp": "tomorrow"},
        {"exp": None},
        {"exp": 10**30 * -1},
        {"iat": now + 3600},
        {"iat": "x"},
        {"nbf": now + 3600},
        {"iss": "another-service"},
        {"iss": ""},
        {"iss": None},
        {"iss": ["hostler", "another"]},
        {"aud": "another-service"},
        {"aud": ["hostler-web", "hostler"]},
        {"aud": []},
        {"aud": {"hostler-api": 1}},
        {"sub": "999999"},
        {"sub": "0"},
        {"sub": "-1"},
        {"sub": "1; DROP TABLE user_account"},
        {"sub": "9" * 40},
        {"sub": ""},
        {"sub": 10**40},
        {"sub": ["1"]},
        {"sub": None},
        {"epoch": 0},
        {"epoch": claims["epoch"] + 1},
        {"epoch": "9" * 40},
        {"epoch": -(2**70)},
        {"epoch": None},
        {"epoch": {}},
    ):
        token = signed({"alg": "HS256", "kid": name}, claims | changes, secret)
        await assert_refused(app, str(changes), bearer(token))


async def test_a_token_by_another_key_or_algorithm(
    app: FastAPI, key: tuple[str, bytes], claims: dict[str, Any]
) -> None:
    name, secret = key
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private_pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public_pem = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    by_rsa = jwt.encode(claims, private_pem, algorithm="RS256", headers={"kid": name})
    body = base64url(claims)
    forged = {
        "another key": signed({"alg": "HS256", "kid": name}, claims, b"another key of thirty-two bytes."),
        "an empty key": signed({"alg": "HS256", "kid": name}, claims, b""),
        "RS256 by a key of their own": by_rsa,
        # where a service takes what it has for RSA's public key as HMAC's secret
        "HS256 by a public key": signed({"alg": "HS256", "kid": name}, claims, public_pem),
        "RS256 that is an HMAC": signed({"alg": "RS256", "kid": name}, claims, secret),
        "HS384 by our key": signed({"alg": "HS384", "kid": name}, claims, secret, "sha384"),
        "HS512 by our key": signed({"alg": "HS512", "kid": name}, claims, secret, "sha512"),
        "a key that it brings along": signed(
            {"alg": "HS256", "kid": name, "jwk": {"kty": "oct", "k": base64url(b"x" * 32)}}, claims, b"x" * 32
        ),
        "a key from elsewhere": signed(
            {"alg": "HS256", "kid": name, "jku": "http://127.0.0.1:1/keys"}, claims, b"x" * 32
        ),
        "a part that must be understood": signed(
            {"alg": "HS256", "kid": name, "crit": ["b64"], "b64": False}, claims, secret
        ),
        "a payload of its own": base64url({"alg": "HS256", "kid": name}) + ".." + "e30",
    }
    for algorithm in ("none", "None", "NONE", "nOnE", ""):
        header = base64url({"alg": algorithm, "kid": name})
        forged[f"alg {algorithm!r}"] = f"{header}.{body}."
        forged[f"alg {algorithm!r}, signed"] = signed({"alg": algorithm, "kid": name}, claims, secret)
    for kid in (
        "",
        "no-such-key",
        "../../../../dev/null",
        "/dev/null",
        "setting",
        "'; --",
        f"{name} ",
        0,
        None,
        [name],
    ):
        forged[f"kid {kid!r}"] = signed({"alg": "HS256", "kid": kid}, claims, secret)
        forged[f"kid {kid!r}, empty key"] = signed({"alg": "HS256", "kid": kid}, claims, b"")
    forged["no kid"] = signed({"alg": "HS256"}, claims, secret)
    for what, token in forged.items():
        await assert_refused(app, what, bearer(token))


async def test_a_token_of_another_kind_or_that_is_over(app: FastAPI, good: dict[str, Any]) -> None:
    user = await users.get_user_named(USER)
    made = [
        await api_tokens.create_token(user.id, name, [Permission.READ], list(Permission), days)
        for name, days in (("revoked", 1), ("expired", -1), ("good", 1))
    ]
    await api_tokens.revoke_token(made[0][0])
    assert await status_of(app, bearer(made[2][1])) == 200

    await assert_refused(app, "a refresh token", bearer(good["refresh_token"]))
    await assert_refused(app, "a revoked API token", bearer(made[0][1]))
    await assert_refused(app, "an expired API token", bearer(made[1][1]))
    for changed in (made[2][1][:-1], made[2][1] + "x", made[2][1].upper(), made[2][0].prefix, made[2][0].token_hash):
        await assert_refused(app, "nearly an API token", bearer(changed))
    assert made[2][0].token_hash == hashlib.sha256(made[2][1].encode()).hexdigest()


async def test_a_token_in_the_address_or_a_cookie_is_none(app: FastAPI, good: dict[str, Any]) -> None:
    token = good["access_token"]
    assert await status_of(app, bearer(token)) == 200
    for name in ("token", "access_token", "api_key", "authorization", "Authorization", "jwt", "ticket", "bearer"):
        await assert_refused(app, f"?{name}=", {}, f"?{name}={token}")
        await assert_refused(app, f"the cookie {name}", {"Cookie": f"{name}={token}"})
    await assert_refused(app, "a header of a proxy", {"X-Forwarded-User": USER, "X-Forwarded-For": "127.0.0.1"})


Change = Callable[[httpx.AsyncClient, Headers, int, dict[str, Any]], Awaitable[Any]]


async def _disable(client: httpx.AsyncClient, admin: Headers, user_id: int, _pair: dict[str, Any]) -> httpx.Response:
    return await client.put(f"/api/users/{user_id}", headers=admin, json={"enabled": False})


async def _new_password(
    client: httpx.AsyncClient, admin: Headers, user_id: int, _pair: dict[str, Any]
) -> httpx.Response:
    return await client.put(f"/api/users/{user_id}", headers=admin, json={"password": "another password"})


async def _delete(client: httpx.AsyncClient, admin: Headers, user_id: int, _pair: dict[str, Any]) -> httpx.Response:
    return await client.delete(f"/api/users/{user_id}", headers=admin)


async def _log_out(client: httpx.AsyncClient, _admin: Headers, _id: int, pair: dict[str, Any]) -> httpx.Response:
    return await client.post("/api/auth/logout", json={"refresh_token": pair["refresh_token"]})


async def _use_twice(client: httpx.AsyncClient, _admin: Headers, _id: int, pair: dict[str, Any]) -> httpx.Response:
    body = {"refresh_token": pair["refresh_token"]}
    first = await client.post("/api/auth/refresh", json=body)
    assert (await client.post("/api/auth/refresh", json=body)).status_code == 401
    return first


@pytest.mark.parametrize("end", [_disable, _new_password, _delete, _log_out, _use_twice])
async def test_a_session_that_was_ended_a_moment_ago(
    app: FastAPI, client: httpx.AsyncClient, admin_headers: Headers, good: dict[str, Any], end: Change
) -> None:
    user = await users.get_user_named(USER)
    headers = bearer(good["access_token"])
    assert await status_of(app, headers) == 200

    answer = await end(client, admin_headers, user.id, good)

    assert answer.status_code == 200, answer.text
    await assert_refused(app, end.__name__, headers)


async def test_an_api_token_ends_with_its_user(
    app: FastAPI, client: httpx.AsyncClient, admin_headers: Headers, good: dict[str, Any]
) -> None:
    user = await users.get_user_named(USER)
    _, secret = await api_tokens.create_token(user.id, "x", list(Permission), list(Permission), 1)
    assert await status_of(app, bearer(secret)) == 200

    await _disable(client, admin_headers, user.id, good)

    await assert_refused(app, "a disabled user's API token", bearer(secret))
    # enabling the user again does not bring back what was ended
    await client.put(f"/api/users/{user.id}", headers=admin_headers, json={"enabled": True})
    await assert_refused(app, "an ended API token", bearer(secret))
    assert (await log_in(client, USER, USER_PASSWORD)) != {}
