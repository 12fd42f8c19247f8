# SPDX-License-Identifier: GPL-3.0-or-later
"""What a write is sent beyond what it takes is refused by name, on every route there is."""

from __future__ import annotations

import re
from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI, Request

from hostler.permission import Public
from hostler.routing import Router
from tests.service.conftest import Headers
from tests.service.test_routing import routes

pytestmark = pytest.mark.anyio


@pytest.fixture
async def everything_headers(admin_headers: Headers) -> Headers:
    """The first administrator's: read, write and admin."""
    return admin_headers


@pytest.mark.rule("unknown-fields")
async def test_an_unknown_parameter_of_any_write_is_named_and_the_write_not_done(
    app: FastAPI, client: httpx.AsyncClient, everything_headers: Headers
) -> None:
    writes = [(method, path) for method, path, _ in routes(app) if method in ("POST", "PUT", "DELETE", "PATCH")]
    assert len(writes) > 15
    for method, path in writes:
        answer = await client.request(
            method, re.sub(r"{\w+}", "1", path), params={"dry-run": "true"}, headers=everything_headers
        )

        assert answer.status_code == 422, f"{method} {path}: {answer.text}"
        assert answer.json()["errors"] == [{"field": "dry-run", "message": "there is no such parameter"}]
        assert answer.json()["detail"] == "The request is not valid: 'dry-run': there is no such parameter"


async def test_a_get_may_have_parameters_of_others(client: httpx.AsyncClient, everything_headers: Headers) -> None:
    answer = await client.get("/api/vms", params={"utm_source": "mail"}, headers=everything_headers)

    assert answer.status_code == 200


@pytest.mark.parametrize("query", ["dry_run=true&dry_run=false", "dry_run=false&delete_disks=true&dry_run=true"])
async def test_a_parameter_that_is_there_twice_is_refused(
    client: httpx.AsyncClient, everything_headers: Headers, query: str
) -> None:
    answer = await client.delete(f"/api/vms/1?{query}", headers=everything_headers)

    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == {"dry_run"}


@pytest.mark.parametrize("name", ["x" * 300, "a\nb", "\u202e", "é"])
async def test_a_strange_name_is_shown_harmlessly(
    client: httpx.AsyncClient, everything_headers: Headers, name: str
) -> None:
    answer = await client.delete("/api/vms/1", params={name: "1"}, headers=everything_headers)

    assert answer.status_code == 422
    (problem,) = answer.json()["errors"]
    assert len(problem["field"]) <= 81
    assert problem["field"].isprintable()


@pytest.mark.rule("unknown-fields")
async def test_a_body_where_none_is_taken_is_refused(client: httpx.AsyncClient, everything_headers: Headers) -> None:
    paths = [("POST", f"/api/vms/1/{verb}") for verb in ("start", "stop", "force-stop", "restart", "reset")]
    for method, path in [*paths, ("DELETE", "/api/vms/1"), ("DELETE", "/api/servers/1")]:
        answer = await client.request(method, path, json={"force": True}, headers=everything_headers)

        assert answer.status_code == 422, f"{method} {path}: {answer.text}"
        assert answer.json()["errors"] == [{"field": "force", "message": "there is no such field"}]
    for content in ("force=true", "[]", "null", '"x"', "{", "[" * 100_000, b"\xff"):
        answer = await client.post("/api/vms/1/stop", content=content, headers=everything_headers)

        assert answer.status_code == 422, content
        assert answer.json()["errors"] == [{"field": "body", "message": "this request takes none"}]


@pytest.mark.parametrize("content", ["", " \n", "{}", " { } "])
async def test_a_body_that_says_nothing_passes(
    client: httpx.AsyncClient, everything_headers: Headers, content: str
) -> None:
    answer = await client.delete("/api/users/999", headers=everything_headers)
    same = await client.request("DELETE", "/api/users/999", content=content, headers=everything_headers)

    assert same.status_code == answer.status_code == 404


async def test_a_route_that_reads_its_body_as_a_stream_says_so_and_gets_it(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    router = Router(prefix="/stream")
    described = {"requestBody": {"content": {"application/octet-stream": {"schema": {"type": "string"}}}}}

    @router.post("", openapi_extra=described)
    async def stream(_access: Annotated[None, Public()], request: Request) -> int:
        return sum([len(piece) async for piece in request.stream()])

    app.include_router(router)

    assert (await client.post("/stream", content=b"x" * 1000)).json() == 1000
