# SPDX-License-Identifier: GPL-3.0-or-later
"""Logging in, staying logged in, and being refused."""

from __future__ import annotations

import uuid

import httpx
import pytest
from fastapi import FastAPI

from hostler.accounts.throttle import FAILURES
from hostler.settings import Settings
from tests.service.conftest import ADMIN_PASSWORD, USER_PASSWORD, Headers, MakeUser

pytestmark = pytest.mark.anyio


async def login(client: httpx.AsyncClient, username: str, password: str) -> httpx.Response:
    return await client.post("/api/auth/login", data={"username": username, "password": password})


@pytest.mark.rule("auth-login")
async def test_login_answers_what_scripts_rely_on(client: httpx.AsyncClient, settings: Settings) -> None:
    answer = await login(client, "admin", ADMIN_PASSWORD)

    assert answer.status_code == 200
    body = answer.json()
    assert set(body) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert (body["token_type"], body["expires_in"]) == ("bearer", settings.access_token_seconds)
    me = await client.get("/api/auth/me", headers={"Authorization": f"Bearer {body['access_token']}"})
    assert me.json() == {
        "id": 1,
        "username": "admin",
        "permissions": ["read", "write", "admin"],
        "credential": "session",
    }


@pytest.mark.rule("auth-login")
async def test_the_docs_pages_oauth2_form_is_understood(client: httpx.AsyncClient) -> None:
    form = {"grant_type": "password", "scope": "", "username": "admin", "password": ADMIN_PASSWORD}

    assert (await client.post("/api/auth/login", data=form)).status_code == 200


async def test_names_are_compared_without_case(client: httpx.AsyncClient, make_user: MakeUser) -> None:
    await make_user("Ada", "read")

    assert (await login(client, "aDA", USER_PASSWORD)).status_code == 200


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("admin", "wrong"),
        ("nobody", ADMIN_PASSWORD),
        ("' OR 1=1 --", "x"),
        ("admin'--", "x"),
        ("{{7*7}}", "x"),
        ("аdmin", ADMIN_PASSWORD),  # noqa: RUF001 - a Cyrillic letter is the point
        ("admin ", ADMIN_PASSWORD),
        ("%", ADMIN_PASSWORD),
        ("a" * 65, ADMIN_PASSWORD),
        ("İ" * 64, ADMIN_PASSWORD),  # longer in lower case
        ("admin", ADMIN_PASSWORD + " "),
    ],
)
async def test_a_wrong_name_or_password_is_refused_alike(
    client: httpx.AsyncClient, username: str, password: str
) -> None:
    answer = await login(client, username, password)

    assert answer.status_code == 401
    assert answer.json()["detail"] == "Could not validate credentials"
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("username", ["nul\x00", "half\udc80"])
async def test_a_name_that_cannot_be_stored_is_malformed(client: httpx.AsyncClient, username: str) -> None:
    raw = username.encode("utf-8", "surrogatepass")
    form = b"password=x&username=" + b"".join(b"%%%02x" % byte for byte in raw)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}

    answer = await client.post("/api/auth/login", content=form, headers=headers)

    # a form parser may replace what is no UTF-8; then it is nobody's name
    assert answer.status_code in (401, 422)
    assert isinstance(answer.json()["detail"], str)


async def test_a_disabled_user_cannot_log_in(
    client: httpx.AsyncClient, make_user: MakeUser, admin_headers: Headers
) -> None:
    ada = await make_user("ada", "read")
    await client.put(f"/api/users/{ada.id}", json={"enabled": False}, headers=admin_headers)

    assert (await login(client, "ada", USER_PASSWORD)).status_code == 401


@pytest.mark.rule("throttle", "error-codes")
async def test_ten_failures_slow_the_account_down_from_everywhere(
    app: object, client: httpx.AsyncClient, make_user: MakeUser
) -> None:
    await make_user("ada", "read")
    for _ in range(FAILURES):
        assert (await login(client, "ada", "wrong password")).status_code == 401

    refused = await login(client, "ADA", USER_PASSWORD)

    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 15
    transport = httpx.ASGITransport(app, client=("198.51.100.7", 1))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://hostler.test") as elsewhere:
        assert (await login(elsewhere, "ada", USER_PASSWORD)).status_code == 429
        assert (await login(elsewhere, "admin", ADMIN_PASSWORD)).status_code == 200


@pytest.mark.rule("throttle")
async def test_ten_failures_slow_the_address_down_for_everybody(client: httpx.AsyncClient, make_user: MakeUser) -> None:
    await make_user("ada", "read")
    for number in range(FAILURES):
        await login(client, f"nobody{number}", "wrong password")

    assert (await login(client, "ada", USER_PASSWORD)).status_code == 429


@pytest.mark.rule("throttle")
async def test_whoever_has_a_network_of_ipv6_has_one_address(app: FastAPI) -> None:
    async def status_from(address: str) -> int:
        transport = httpx.ASGITransport(app, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://hostler.test") as elsewhere:
            return (await login(elsewhere, f"nobody-{uuid.uuid4()}", "x")).status_code

    for number in range(10):
        assert await status_from(f"2001:db8:1:2:{number:x}::1") == 401

    assert await status_from("2001:db8:1:2:ffff::ffff") == 429
    assert await status_from("2001:db8:1:3::1") == 401
    assert [await status_from(f"::ffff:192.0.2.{number}") for number in range(12)] == [401] * 12


async def test_a_success_makes_up_for_failures(client: httpx.AsyncClient, make_user: MakeUser) -> None:
    await make_user("ada", "read")
    for _ in range(3):
        for _ in range(3):
            await login(client, "ada", "wrong password")
        assert (await login(client, "ada", USER_PASSWORD)).status_code == 200


@pytest.mark.rule("refresh-tokens")
async def test_refreshing_rotates_and_the_old_token_ends_the_session(client: httpx.AsyncClient) -> None:
    first = (await login(client, "admin", ADMIN_PASSWORD)).json()
    second = (await client.post("/api/auth/refresh", json={"refresh_token": first["refresh_token"]})).json()
    assert second["refresh_token"] != first["refresh_token"]

    reused = await client.post("/api/auth/refresh", json={"refresh_token": first["refresh_token"]})

    assert reused.status_code == 401
    after = await client.post("/api/auth/refresh", json={"refresh_token": second["refresh_token"]})
    assert after.status_code == 401
    for pair in (first, second):
        me = await client.get("/api/auth/me", headers={"Authorization": f"Bearer {pair['access_token']}"})
        assert me.status_code == 401


async def test_another_session_survives_the_theft_of_one(client: httpx.AsyncClient) -> None:
    stolen = (await login(client, "admin", ADMIN_PASSWORD)).json()
    other = (await login(client, "admin", ADMIN_PASSWORD)).json()
    for _ in range(2):
        await client.post("/api/auth/refresh", json={"refresh_token": stolen["refresh_token"]})

    assert (await client.post("/api/auth/refresh", json={"refresh_token": other["refresh_token"]})).status_code == 200


@pytest.mark.rule("auth-login")
async def test_logout_ends_the_session_at_once(client: httpx.AsyncClient) -> None:
    pair = (await login(client, "admin", ADMIN_PASSWORD)).json()

    answer = await client.post("/api/auth/logout", json={"refresh_token": pair["refresh_token"]})

    assert answer.status_code == 200
    assert (await client.post("/api/auth/refresh", json={"refresh_token": pair["refresh_token"]})).status_code == 401
    me = await client.get("/api/auth/me", headers={"Authorization": f"Bearer {pair['access_token']}"})
    assert me.status_code == 401
    again = await client.post("/api/auth/logout", json={"refresh_token": pair["refresh_token"]})
    assert again.status_code == 200


@pytest.mark.parametrize("token", ["", "x", "hostler_refresh_" + "a" * 40, "eyJhbGciOiJub25lIn0.e30."])
async def test_an_unknown_refresh_token_is_refused(client: httpx.AsyncClient, token: str) -> None:
    answer = await client.post("/api/auth/refresh", json={"refresh_token": token})

    assert answer.status_code == (401 if token else 422)


async def test_changing_ones_password_ends_everything_but_the_new_session(
    client: httpx.AsyncClient, make_user: MakeUser
) -> None:
    await make_user("ada", "read")
    old = (await login(client, "ada", USER_PASSWORD)).json()
    headers = {"Authorization": f"Bearer {old['access_token']}"}
    change = {"current_password": USER_PASSWORD, "new_password": "another password"}

    answer = await client.post("/api/auth/password", json=change, headers=headers)

    assert answer.status_code == 200
    assert (await client.get("/api/auth/me", headers=headers)).status_code == 401
    new = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert (await client.get("/api/auth/me", headers=new)).status_code == 200
    assert (await login(client, "ada", USER_PASSWORD)).status_code == 401
    assert (await login(client, "ada", "another password")).status_code == 200


async def test_changing_ones_password_takes_the_old_one(client: httpx.AsyncClient, admin_headers: Headers) -> None:
    change = {"current_password": "not it", "new_password": "another password"}

    answer = await client.post("/api/auth/password", json=change, headers=admin_headers)

    assert answer.status_code == 401
    assert (await login(client, "admin", ADMIN_PASSWORD)).status_code == 200
