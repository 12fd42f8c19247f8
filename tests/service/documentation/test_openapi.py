# SPDX-License-Identifier: GPL-3.0-or-later
"""The OpenAPI description: complete, and fit for making clients from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.anyio


@pytest.fixture
async def described(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.get("/openapi.json")
    assert answer.status_code == 200
    description: dict[str, Any] = answer.json()
    return description


def operations(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


async def test_every_operation_has_an_id_of_its_own_a_known_tag_and_a_summary(described: dict[str, Any]) -> None:
    named = [operation["operationId"] for _, operation in operations(described)]
    tags = {tag["name"] for tag in described["tags"]}

    assert sorted(named) == sorted(set(named))
    assert all(name.isidentifier() for name in named)
    for which, operation in operations(described):
        assert len(operation["tags"]) == 1, which
        assert set(operation["tags"]) <= tags, which
        assert operation["summary"], which


async def test_every_operation_says_what_its_errors_look_like(described: dict[str, Any]) -> None:
    for which, operation in operations(described):
        for status in ("4XX", "5XX"):
            schema = operation["responses"][status]["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/ErrorAnswer"}, which
        assert "422" not in operation["responses"], f"{which} promises FastAPI's own shape"
    assert described["components"]["schemas"]["ErrorAnswer"]["required"] == ["detail"]


async def test_the_login_is_described_with_its_scopes_and_asked_for_by_name(described: dict[str, Any]) -> None:
    (scheme,) = described["components"]["securitySchemes"].values()
    flow = scheme["flows"]["password"]
    asked = {
        scope
        for _, operation in operations(described)
        for requirement in operation.get("security", [])
        for scopes in requirement.values()
        for scope in scopes
    }

    assert (flow["tokenUrl"], flow["refreshUrl"]) == ("/api/auth/login", "/api/auth/refresh")
    assert asked <= set(flow["scopes"])
    assert described["paths"]["/metrics"]["get"]["security"] == [{"login": ["read"]}, {}]
    assert "security" not in described["paths"]["/healthz"]["get"]


async def test_describing_twice_says_the_same(client: httpx.AsyncClient, described: dict[str, Any]) -> None:
    assert (await client.get("/openapi.json")).json() == described
