# SPDX-License-Identifier: GPL-3.0-or-later
"""``GET /api/audit``."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import httpx
import pytest

from tests.service.conftest import Headers

pytestmark = pytest.mark.anyio


@pytest.fixture
async def written(client: httpx.AsyncClient, admin_headers: Headers) -> Headers:
    """Some users and tokens that were made and changed, and something that was denied."""
    for name in ("ada", "eve"):
        await client.post("/api/users", json={"username": name, "password": "correct horse"}, headers=admin_headers)
    await client.put("/api/users/2", json={"enabled": False}, headers=admin_headers)
    await client.post("/api/tokens", json={"name": "t", "scopes": ["read"]}, headers=admin_headers)
    await client.get("/api/users")
    return admin_headers


@pytest.fixture
def listed(client: httpx.AsyncClient, written: Headers) -> Any:
    async def get(**parameters: Any) -> list[dict[str, Any]]:
        answer = await client.get("/api/audit", params={"per_page": 100, **parameters}, headers=written)
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    return get


def actions(items: list[dict[str, Any]]) -> list[str]:
    return [item["action"] for item in items]


@pytest.mark.rule("audit")
async def test_it_is_for_administrators(
    client: httpx.AsyncClient, admin_headers: Headers, write_headers: Headers
) -> None:
    assert (await client.get("/api/audit")).status_code == 401
    assert (await client.get("/api/audit", headers=write_headers)).status_code == 403
    assert (await client.get("/api/audit", headers=admin_headers)).status_code == 200


async def test_nothing_of_it_can_be_written_over_rest(client: httpx.AsyncClient, admin_headers: Headers) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert (await client.request(method, "/api/audit", headers=admin_headers)).status_code == 405


async def test_pages_in_the_order_of_the_chain_or_the_newest_first(
    client: httpx.AsyncClient, written: Headers, listed: Any
) -> None:
    everything = await listed()
    assert [item["id"] for item in everything] == list(range(1, len(everything) + 1))

    page = (await client.get("/api/audit?per_page=2&page=2", headers=written)).json()
    assert [item["id"] for item in page["items"]] == [3, 4]
    assert page["total"] == len(everything)
    assert [item["id"] for item in await listed(sort="-id")] == [item["id"] for item in everything][::-1]
    assert (await listed(after_id=4))[0]["id"] == 5


@pytest.mark.rule("audit")
async def test_the_chain_can_be_checked_by_what_is_shown(listed: Any) -> None:
    previous = "0" * 64
    for entry in await listed():
        own = entry.pop("hash")
        assert entry["previous_hash"] == previous
        text = json.dumps(entry, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        assert hashlib.sha256(text.encode()).hexdigest() == own
        previous = own


async def test_what_is_looked_for(listed: Any) -> None:
    assert actions(await listed(action="user.create")) == ["user.create"] * 3
    assert actions(await listed(action="user.*")) == ["user.create"] * 3 + ["user.change"]
    assert actions(await listed(action="use.*")) == []
    assert actions(await listed(actor="hostler")) == ["database.migrate", "user.create"]
    assert actions(await listed(target_kind="user", target_id=2)) == ["user.create", "user.change"]
    assert actions(await listed(outcome="denied")) == ["authentication.denied"]
    assert actions(await listed(action="user.create", actor="admin")) == ["user.create"] * 2

    everything = await listed()
    middle = everything[3]["at"]
    assert await listed(since=middle) == everything[3:]
    assert await listed(until=middle) == everything[:3]


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("outcome", "perhaps"),
        ("since", "yesterday"),
        ("since", "2026-01-01T00:00:00"),  # of no time zone
        ("target_id", "0"),
        ("target_id", str(2**63)),
        ("sort", "actor"),
        ("action", "x" * 65),
    ],
)
async def test_what_can_not_be_looked_for_is_named(
    client: httpx.AsyncClient, admin_headers: Headers, parameter: str, value: str
) -> None:
    answer = await client.get("/api/audit", params={parameter: value}, headers=admin_headers)

    assert answer.status_code == 422
    assert parameter in answer.json()["detail"]


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00Z"])
async def test_the_ends_of_time_are_times(client: httpx.AsyncClient, admin_headers: Headers, moment: str) -> None:
    for parameter in ("since", "until"):
        answer = await client.get("/api/audit", params={parameter: moment}, headers=admin_headers)
        assert answer.status_code in (200, 422), answer.text
