# SPDX-License-Identifier: GPL-3.0-or-later
"""Every answer says what a browser may do with it, errors and refusals as well."""

from __future__ import annotations

from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI

from hostler.permission import Public
from hostler.routing import Router
from tests.service.conftest import ADMIN_PASSWORD, Headers

pytestmark = pytest.mark.anyio


def check(answer: httpx.Response) -> None:
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert "server" not in answer.headers


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/healthz", 200),
        ("/docs", 200),
        ("/api/vms", 401),
        ("/nowhere", 404),
        ("/%00", 422),
        ("/%ff", 422),
        ("/api/vms?search=caf%e9", 422),
        ("/docs/x/y", 404),
    ],
)
async def test_every_answer_has_them(client: httpx.AsyncClient, path: str, status: int) -> None:
    answer = await client.get(path)

    assert answer.status_code == status
    check(answer)
    assert len(answer.headers.get_list("content-security-policy")) == 1
    assert len(answer.headers.get_list("cache-control")) == 1


async def test_an_unexpected_error_has_them(app: FastAPI, client: httpx.AsyncClient) -> None:
    router = Router()

    @router.get("/test/fail")
    async def fail(_access: Annotated[None, Public()]) -> None:
        raise RuntimeError("nobody expected this")

    app.include_router(router)

    answer = await client.get("/test/fail")

    assert answer.status_code == 500
    check(answer)


async def test_nothing_that_holds_a_token_or_a_vm_may_be_kept(
    client: httpx.AsyncClient, admin_headers: Headers
) -> None:
    form = {"username": "admin", "password": ADMIN_PASSWORD}
    answers = [
        await client.post("/api/auth/login", data=form),
        await client.post("/api/tokens", json={"name": "x", "scopes": ["read"]}, headers=admin_headers),
        await client.get("/api/vms", headers=admin_headers),
    ]

    assert [answer.status_code for answer in answers] == [200, 201, 200]
    assert [answer.headers["cache-control"] for answer in answers] == ["no-store"] * 3
