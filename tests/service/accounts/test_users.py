# SPDX-License-Identifier: GPL-3.0-or-later
"""``/api/users``."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from hostler.accounts import users
from hostler.accounts.models import User
from tests.service.conftest import ADMIN_PASSWORD, USER_PASSWORD, Headers, MakeUser, log_in

pytestmark = pytest.mark.anyio

NEW = {"username": "ada", "password": USER_PASSWORD, "permissions": ["read", "write", "admin"]}


@pytest.mark.rule("users")
async def test_a_created_user_is_shown_without_its_password(client: httpx.AsyncClient, admin_headers: Headers) -> None:
    answer = await client.post("/api/users", json=NEW, headers=admin_headers)

    assert answer.status_code == 201
    body = answer.json()
    assert set(body) == {"id", "username", "permissions", "enabled", "created_at", "updated_at"}
    assert (body["username"], body["permissions"], body["enabled"]) == ("ada", ["read", "write", "admin"], True)
    assert body["created_at"].endswith("Z")
    assert (await client.get(f"/api/users/{body['id']}", headers=admin_headers)).json() == body
    await log_in(client, "ada", USER_PASSWORD)


async def test_a_name_is_taken_in_every_case(client: httpx.AsyncClient, admin_headers: Headers) -> None:
    await client.post("/api/users", json=NEW, headers=admin_headers)

    answer = await client.post("/api/users", json=NEW | {"username": "ADA"}, headers=admin_headers)

    assert answer.status_code == 409
    assert answer.json()["detail"] == "A user named 'ADA' exists already"


@pytest.mark.parametrize(
    "username",
    [
        "",
        " ",
        "-flag",
        ".hidden",
        "../../etc/passwd",
        "a b",
        "a\nb",
        "a\x00b",
        "half\ud800pair",
        "<script>alert(1)</script>",
        "{{ lookup('pipe', 'id') }}",
        "'; DROP TABLE user_account; --",
        "$(id)",
        "аdmin",  # noqa: RUF001 - a Cyrillic letter is the point
        "admin\u200b",
        "\u202eadmin",
        "a" * 65,
        7,
        None,
        ["ada"],
    ],
)
async def test_a_hostile_name_is_refused_by_field(
    client: httpx.AsyncClient, admin_headers: Headers, username: Any
) -> None:
    # json.dumps spells half a surrogate pair as an escape, as a client could
    content = json.dumps(NEW | {"username": username})
    headers = admin_headers | {"Content-Type": "application/json"}

    answer = await client.post("/api/users", content=content, headers=headers)

    assert answer.status_code == 422
    assert "username" in answer.json()["detail"]
    assert USER_PASSWORD not in answer.text
    assert await User.all().count() == 1


@pytest.mark.parametrize("username", ["ada", "Ada.Lovelace", "a", "0", "ada@example.org", "ada+hostler", "a_b-c"])
async def test_an_ordinary_name_is_taken_as_it_is(
    client: httpx.AsyncClient, admin_headers: Headers, username: str
) -> None:
    answer = await client.post("/api/users", json=NEW | {"username": username}, headers=admin_headers)

    assert answer.json()["username"] == username


@pytest.mark.parametrize("password", ["short", "x" * 257, "", None, 12345678])
async def test_a_refused_password_is_named_and_not_repeated(
    client: httpx.AsyncClient, admin_headers: Headers, password: Any
) -> None:
    answer = await client.post("/api/users", json=NEW | {"password": password}, headers=admin_headers)

    assert answer.status_code == 422
    body = answer.json()
    assert "'password'" in body["detail"]
    assert [error["field"] for error in body["errors"]] == ["password"]
    if isinstance(password, str) and password:
        assert password not in answer.text


@pytest.mark.parametrize("enabled", ["off", "true", 0, 1.0])
async def test_whether_a_user_is_enabled_is_said_by_true_or_false(
    client: httpx.AsyncClient, admin_headers: Headers, enabled: Any
) -> None:
    for answer in (
        await client.post("/api/users", json=NEW | {"enabled": enabled}, headers=admin_headers),
        await client.put("/api/users/1", json={"enabled": enabled}, headers=admin_headers),
    ):
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "enabled")


async def test_a_password_may_be_anything_that_can_be_typed(client: httpx.AsyncClient, admin_headers: Headers) -> None:
    password = "pässwörd ☂ {{ 7*7 }} '; -- \\ \" %00"
    await client.post("/api/users", json=NEW | {"password": password}, headers=admin_headers)

    await log_in(client, "ada", password)


async def test_unknown_permissions_are_refused(client: httpx.AsyncClient, admin_headers: Headers) -> None:
    answer = await client.post("/api/users", json=NEW | {"permissions": ["root"]}, headers=admin_headers)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "permissions.0"


async def test_permissions_are_kept_once_each(client: httpx.AsyncClient, admin_headers: Headers) -> None:
    body = NEW | {"permissions": ["write", "read", "write"]}

    answer = await client.post("/api/users", json=body, headers=admin_headers)

    assert answer.json()["permissions"] == ["read", "write"]


async def test_a_change_leaves_alone_what_it_does_not_name(client: httpx.AsyncClient, admin_headers: Headers) -> None:
    ada = (await client.post("/api/users", json=NEW, headers=admin_headers)).json()

    changed = await client.put(f"/api/users/{ada['id']}", json={"permissions": []}, headers=admin_headers)

    assert changed.status_code == 200
    assert changed.json() == ada | {"permissions": [], "updated_at": changed.json()["updated_at"]}
    await log_in(client, "ada", USER_PASSWORD)


async def test_a_rename_to_a_taken_name_is_refused_and_changes_nothing(
    client: httpx.AsyncClient, admin_headers: Headers
) -> None:
    ada = (await client.post("/api/users", json=NEW, headers=admin_headers)).json()

    answer = await client.put(
        f"/api/users/{ada['id']}", json={"username": "Admin", "enabled": False}, headers=admin_headers
    )

    assert answer.status_code == 409
    assert (await client.get(f"/api/users/{ada['id']}", headers=admin_headers)).json() == ada


@pytest.mark.parametrize("change", [{"enabled": False}, {"permissions": ["read", "write"]}])
async def test_the_last_administrator_cannot_be_disabled_or_demoted(
    client: httpx.AsyncClient, admin_headers: Headers, change: dict[str, Any]
) -> None:
    answer = await client.put("/api/users/1", json=change, headers=admin_headers)

    assert answer.status_code == 400
    assert answer.json()["code"] == "last_administrator"
    assert (await client.get("/api/users/1", headers=admin_headers)).json()["permissions"] == ["read", "write", "admin"]


async def test_the_last_administrator_cannot_be_deleted(client: httpx.AsyncClient, admin_headers: Headers) -> None:
    assert (await client.delete("/api/users/1", headers=admin_headers)).status_code == 400
    assert (await client.get("/api/users/1", headers=admin_headers)).status_code == 200


async def test_a_disabled_administrator_does_not_count(client: httpx.AsyncClient, admin_headers: Headers) -> None:
    await client.post("/api/users", json=NEW | {"enabled": False}, headers=admin_headers)

    assert (await client.delete("/api/users/1", headers=admin_headers)).status_code == 400


async def test_an_administrator_can_go_when_another_stays(client: httpx.AsyncClient, admin_headers: Headers) -> None:
    await client.post("/api/users", json=NEW, headers=admin_headers)

    answer = await client.delete("/api/users/1", headers=admin_headers)

    assert (answer.status_code, answer.json()) == (200, {"message": "User 'admin' deleted successfully"})
    assert (await client.get("/api/users", headers=admin_headers)).status_code == 401


async def test_a_users_id_is_never_used_again(client: httpx.AsyncClient, admin_headers: Headers) -> None:
    first = (await client.post("/api/users", json=NEW, headers=admin_headers)).json()
    await client.delete(f"/api/users/{first['id']}", headers=admin_headers)

    second = (await client.post("/api/users", json=NEW, headers=admin_headers)).json()

    assert second["id"] > first["id"]


@pytest.mark.rule("list-shape")
async def test_lists_are_paged(client: httpx.AsyncClient, admin_headers: Headers) -> None:
    # rows without a login: a real password each would take seconds
    await User.bulk_create(
        [User(username=f"u{n}", username_key=f"u{n}", password_hash="-", permissions=[]) for n in range(44)]
    )

    pages = [
        (await client.get("/api/users", params={"page": page, "per_page": 20}, headers=admin_headers)).json()
        for page in (1, 2, 3, 4)
    ]

    assert [len(page["items"]) for page in pages] == [20, 20, 5, 0]
    assert {(page["total"], page["per_page"], page["total_pages"]) for page in pages} == {(45, 20, 3)}
    ids = [user["id"] for page in pages for user in page["items"]]
    assert ids == sorted(ids)


@pytest.mark.parametrize("query", ["per_page=101", "per_page=0", "page=0", "page=x", "page=" + "9" * 30])
async def test_an_impossible_page_is_refused(client: httpx.AsyncClient, admin_headers: Headers, query: str) -> None:
    answer = await client.get(f"/api/users?{query}", headers=admin_headers)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == query.split("=")[0]


async def test_a_missing_user_is_named(client: httpx.AsyncClient, admin_headers: Headers) -> None:
    answer = await client.get("/api/users/999", headers=admin_headers)

    assert (answer.status_code, answer.json()["detail"]) == (404, "User with ID 999 not found")


@pytest.mark.parametrize("user_id", ["x", "1.5", "9" * 40, "-1", "0", "%00"])
async def test_an_impossible_id_is_no_crash(client: httpx.AsyncClient, admin_headers: Headers, user_id: str) -> None:
    answer = await client.get(f"/api/users/{user_id}", headers=admin_headers)

    assert answer.status_code in (404, 422)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("POST", ""), ("GET", "/1"), ("PUT", "/1"), ("DELETE", "/1"), ("GET", "/999"), ("PUT", "/x")],
)
@pytest.mark.rule("users")
async def test_users_are_for_administrators(
    client: httpx.AsyncClient, write_headers: Headers, method: str, path: str
) -> None:
    nobody = await client.request(method, f"/api/users{path}", content=b"{not json")
    writer = await client.request(method, f"/api/users{path}", content=b"{not json", headers=write_headers)

    assert nobody.status_code == 401
    assert (writer.status_code, writer.json()["detail"]) == (403, "Not enough permissions")


@pytest.mark.rule("auth-me")
async def test_the_session_of_a_read_only_user_may_read_itself_only(
    client: httpx.AsyncClient, make_user: MakeUser
) -> None:
    await make_user("ada", "read")
    session = await log_in(client, "ada", USER_PASSWORD)

    assert (await client.get("/api/auth/me", headers=session)).json()["permissions"] == ["read"]
    assert (await client.get("/api/users", headers=session)).status_code == 403
    assert ADMIN_PASSWORD not in (await client.get("/api/users", headers=session)).text


async def test_who_is_no_administrator_is_changed_even_where_there_is_none(app: FastAPI, make_user: MakeUser) -> None:
    ada = await make_user("ada", "read")
    await User.filter(id=1).delete()

    assert not (await users.change_user(ada.id, enabled=False)).enabled
    await users.delete_user(ada.id)
    assert not await User.exists()
