# SPDX-License-Identifier: GPL-3.0-or-later
"""Permissions: every route states one, and it is decided before anything else is looked at."""

from __future__ import annotations

from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from hostler.bodies import RequestBody, RowId
from hostler.errors import NotFound
from hostler.permission import Caller, Public, Requires
from hostler.routing import Route, Router, UnstatedPermission, stated_access
from tests.service.conftest import Headers, MakeUser, log_in

PUBLIC = {
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/docs"),
    ("GET", "/docs/{version}/{name}"),
    ("GET", "/openapi.json"),
    ("POST", "/api/auth/login"),
    ("POST", "/api/auth/refresh"),
    ("POST", "/api/auth/logout"),
}


def routes(app: FastAPI) -> list[tuple[str, str, APIRoute]]:
    """Return (method, path, route) of every route there is; fails for one that is not ours."""
    found = []
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        assert isinstance(route, Route), f"{context.path} is not made by hostler.routing.Router"
        found += [(method, context.path or "", route) for method in context.methods or ()]
    return found


@pytest.mark.anyio
@pytest.mark.rule("permissions")
async def test_every_route_states_its_permission_and_only_the_known_ones_are_public(app: FastAPI) -> None:
    assert {(method, path) for method, path, route in routes(app) if stated_access(route.dependant) is None} == PUBLIC


@pytest.mark.anyio
@pytest.mark.rule("permissions")
async def test_nothing_changes_with_read_alone(app: FastAPI) -> None:
    # one's own password, tickets and tokens are for any user; all else that is no GET is at least write
    own = {
        ("POST", "/api/auth/password"),
        ("POST", "/api/auth/ticket"),
        ("POST", "/api/tokens"),
        ("DELETE", "/api/tokens/{token_id}"),
    }
    for method, path, route in routes(app):
        access = stated_access(route.dependant)
        if access is None or method == "GET" or (method, path) in own:
            continue
        assert access.permission in ("write", "admin"), f"{method} {path}"


@pytest.mark.anyio
async def test_every_other_route_is_401_for_a_stranger_whatever_it_sends(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    for method, path, _route in routes(app):
        if (method, path) in PUBLIC:
            continue
        for content in (b"", b"{not json", b'{"unknown": 1}'):
            answer = await client.request(method, path, content=content, headers={"Content-Type": "application/json"})
            assert answer.status_code == 401, f"{method} {path}: {answer.text}"
            assert answer.json()["detail"] == "Could not validate credentials"


@pytest.mark.anyio
async def test_every_route_is_403_for_a_user_without_permissions_whatever_it_sends(
    app: FastAPI, client: httpx.AsyncClient, make_user: MakeUser
) -> None:
    await make_user("nobody")
    headers = await log_in(client, "nobody", "correct horse battery")
    for method, path, route in routes(app):
        access = stated_access(route.dependant)
        if access is None or access.permission is None:
            continue
        answer = await client.request(method, path, content=b"{not json", headers=headers)
        assert answer.status_code == 403, f"{method} {path}: {answer.text}"
        assert answer.json()["detail"] == "Not enough permissions"


class Body(RequestBody):
    name: str


@pytest.fixture
def order(app: FastAPI) -> FastAPI:
    """The app with a route that could fail in every way."""
    router = Router(prefix="/order")

    @router.post("/{row_id}")
    async def post(caller: Annotated[Caller, Requires("write")], row_id: RowId, body: Body) -> dict[str, Any]:
        raise NotFound(f"Row {row_id} not found, {caller.name}")

    app.include_router(router)
    return app


@pytest.mark.anyio
@pytest.mark.rule("order-of-refusals")
async def test_401_comes_before_403_before_422_before_404(
    order: FastAPI, client: httpx.AsyncClient, read_headers: Headers, write_headers: Headers
) -> None:
    bad, good = {"nmae": "x"}, {"name": "x"}

    assert (await client.post("/order/x", json=bad)).status_code == 401
    assert (await client.post("/order/x", json=bad, headers=read_headers)).status_code == 403
    assert (await client.post("/order/1", json=good, headers=read_headers)).status_code == 403
    assert (await client.post("/order/1", json=bad, headers=write_headers)).status_code == 422
    found = await client.post("/order/1", json=good, headers=write_headers)
    assert (found.status_code, found.json()["detail"]) == (404, "Row 1 not found, writer")


@pytest.mark.anyio
async def test_the_body_of_a_stranger_is_never_read(order: FastAPI) -> None:
    async def endless() -> Any:
        raise AssertionError("the body was read")
        yield b""

    transport = httpx.ASGITransport(order)
    async with httpx.AsyncClient(transport=transport, base_url="http://hostler.test") as client:
        assert (await client.post("/order/1", content=endless())).status_code == 401


def test_a_route_without_a_permission_cannot_be_made() -> None:
    router = Router()

    with pytest.raises(UnstatedPermission, match="/forgotten"):

        @router.get("/forgotten")
        async def forgotten() -> None: ...


def test_a_route_with_two_permissions_cannot_be_made() -> None:
    router = Router()

    with pytest.raises(UnstatedPermission):

        @router.get("/torn")
        async def torn(caller: Annotated[Caller, Requires("read")], access: Annotated[None, Public()]) -> None: ...


def test_an_unknown_permission_cannot_be_stated() -> None:
    with pytest.raises(ValueError, match="raed"):
        Requires("raed")


@pytest.mark.anyio
async def test_openapi_says_what_a_route_asks_for(app: FastAPI) -> None:
    paths = app.openapi()["paths"]

    assert paths["/api/users"]["get"]["security"] == [{"login": ["admin"]}]
    assert "security" not in paths["/healthz"]["get"]
    assert set(paths["/api/users"]["post"]["responses"]) == {"201", "4XX", "5XX"}
    flow = app.openapi()["components"]["securitySchemes"]["login"]["flows"]["password"]
    assert flow["tokenUrl"] == "/api/auth/login"
