# SPDX-License-Identifier: GPL-3.0-or-later
"""Every route with every combination of permissions, against a table that says who may call what.

A new route fails the first test until it stands in the table, so that somebody has thought about it.
"""

from __future__ import annotations

import itertools

import httpx
import pytest
from fastapi import FastAPI

from hostler.accounts import api_tokens
from hostler.permission import Permission
from tests.service.conftest import Headers, MakeUser, log_in
from tests.service.hostile.every_route import Operation, ask, operations

pytestmark = pytest.mark.anyio

TABLE = {
    "public": {
        "GET /docs",
        "GET /docs/{version}/{name}",
        "GET /healthz",
        "GET /openapi.json",
        "GET /readyz",
        "POST /api/auth/login",
        "POST /api/auth/logout",
        "POST /api/auth/refresh",
    },
    # any user, whatever it may do: these are about nobody but the caller
    "any": {
        "DELETE /api/tokens/{token_id}",
        "GET /api/auth/me",
        "GET /api/tokens",
        "GET /api/tokens/{token_id}",
        "POST /api/auth/password",
        "POST /api/auth/ticket",
        "POST /api/tokens",
    },
    "read": {
        "GET /api/events",
        "GET /api/images",
        "GET /api/images/{image_id}",
        "GET /api/jobs",
        "GET /api/jobs/{job_id}",
        "GET /api/jobs/{job_id}/events",
        "GET /api/schedules",
        "GET /api/schedules/{schedule_id}",
        "GET /api/servers",
        "GET /api/servers/{server_id}",
        "GET /api/servers/{server_id}/statistics",
        "GET /api/vms",
        "GET /api/vms/{vm_id}",
        "GET /api/vms/{vm_id}/config",
        "GET /api/vms/{vm_id}/drift",
        "GET /api/vms/{vm_id}/statistics",
        "GET /metrics",
    },
    "write": {
        "DELETE /api/images/{image_id}",
        "DELETE /api/schedules/{schedule_id}",
        "DELETE /api/vms/{vm_id}",
        "POST /api/images",
        "POST /api/jobs/{job_id}/cancel",
        "POST /api/schedules",
        "POST /api/schedules/{schedule_id}/pause",
        "POST /api/schedules/{schedule_id}/resume",
        "POST /api/schedules/{schedule_id}/run",
        "POST /api/servers/{server_id}/refresh",
        "POST /api/vms",
        "POST /api/vms/actions",
        "POST /api/vms/{vm_id}/drift/adopt",
        "POST /api/vms/{vm_id}/drift/reapply",
        "POST /api/vms/{vm_id}/force-stop",
        "POST /api/vms/{vm_id}/reset",
        "POST /api/vms/{vm_id}/resize",
        "POST /api/vms/{vm_id}/restart",
        "POST /api/vms/{vm_id}/start",
        "POST /api/vms/{vm_id}/stop",
        "PUT /api/schedules/{schedule_id}",
        "PUT /api/vms/{vm_id}",
        "PUT /api/vms/{vm_id}/config",
    },
    "admin": {
        "DELETE /api/credentials/{credential_id}",
        "DELETE /api/servers/{server_id}",
        "DELETE /api/users/{user_id}",
        "DELETE /api/webhooks/{webhook_id}",
        "GET /api/audit",
        "GET /api/credentials",
        "GET /api/credentials/{credential_id}",
        "GET /api/users",
        "GET /api/users/{user_id}",
        "GET /api/webhooks",
        "GET /api/webhooks/{webhook_id}",
        "GET /api/webhooks/{webhook_id}/deliveries",
        "GET /api/webhooks/{webhook_id}/deliveries/{delivery_id}",
        "POST /api/credentials",
        "POST /api/servers",
        "POST /api/servers/{server_id}/drain",
        "POST /api/servers/{server_id}/undrain",
        "POST /api/users",
        "POST /api/webhooks",
        "POST /api/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver",
        "POST /api/webhooks/{webhook_id}/rotate-secret",
        "POST /api/webhooks/{webhook_id}/test",
        "PUT /api/credentials/{credential_id}",
        "PUT /api/servers/{server_id}",
        "PUT /api/users/{user_id}",
        "PUT /api/webhooks/{webhook_id}",
    },
}

ROLES = [
    frozenset(role) for size in range(len(Permission) + 1) for role in itertools.combinations(sorted(Permission), size)
]

MALFORMED = b"{not json"
"""Where a body is read this is 422; where none is, an id that nobody has is 404: nothing is changed by any of it."""


async def test_the_table_has_every_route_and_no_other(app: FastAPI) -> None:
    stated: dict[str, set[str]] = {permission: set() for permission in TABLE}
    for operation in operations(app):
        stated[operation.permission].add(str(operation))

    assert stated == TABLE


@pytest.fixture(params=["session", "token"])
async def headers_of(
    request: pytest.FixtureRequest, app: FastAPI, make_user: MakeUser
) -> dict[frozenset[Permission], Headers]:
    """What each role sends: a session of a user who may do just that, or such a token of one who may do everything."""
    if request.param == "token":
        owner = await make_user("owner", *Permission)
        return {role: await _token(owner.id, role) for role in ROLES}
    found = {}
    for number, role in enumerate(ROLES):
        await make_user(f"user{number}", *role)
        found[role] = await _session(app, f"user{number}")
    return found


async def _token(owner_id: int, role: frozenset[Permission]) -> Headers:
    # the API refuses a token that may do nothing; one whose owner lost its permissions is just that
    _, secret = await api_tokens.create_token(owner_id, "of a role", sorted(role), list(Permission), 1)
    return {"Authorization": f"Bearer {secret}"}


async def _session(app: FastAPI, username: str) -> Headers:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hostler.test") as client:
        return await log_in(client, username, "correct horse battery")


def _may(operation: Operation, role: frozenset[Permission]) -> bool:
    return operation.permission in ("public", "any") or operation.permission in role


@pytest.mark.rule("permissions")
async def test_every_role_may_call_what_the_table_says_and_nothing_else(
    app: FastAPI, headers_of: dict[frozenset[Permission], Headers]
) -> None:
    for role, headers in headers_of.items():
        for operation in operations(app):
            answer = await ask(app, operation.method, operation.filled(), headers, MALFORMED)
            what = f"{operation} by {sorted(role)}: {answer.status} {answer.content[:200]!r}"
            if _may(operation, role):
                assert answer.status in (200, 404, 422, 503), what
            else:
                assert (answer.status, answer.json()["detail"]) == (403, "Not enough permissions"), what


async def test_a_stranger_is_401_on_every_route_that_is_not_public_whatever_it_sends(app: FastAPI) -> None:
    for operation in operations(app):
        for path in (operation.filled(), operation.filled("no-such-id"), operation.filled() + "?page=x&per_page=-1"):
            for content in (b"", MALFORMED, b'{"unknown": 1}'):
                answer = await ask(app, operation.method, path, {"Content-Type": "application/json"}, content)
                if operation.permission == "public":
                    assert answer.status in (200, 404, 422), f"{operation}: {answer.status}"
                    continue
                assert (answer.status, answer.json()["detail"]) == (401, "Could not validate credentials"), operation
                assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.rule("order-of-refusals")
async def test_403_comes_before_422_and_404_on_every_route(app: FastAPI, make_user: MakeUser) -> None:
    nobody = await make_user("nobody")
    headers = await _token(nobody.id, frozenset())
    reader = await _token((await make_user("a-reader", "read")).id, frozenset({Permission.READ}))
    for config in ("/api/vms/2147483647/config?xml=true", "/api/vms/no-such-id/config?xml=1"):
        assert (await ask(app, "GET", config, reader, b"")).status == 403
    for operation in operations(app):
        if _may(operation, frozenset()):
            continue
        for path in (operation.filled("no-such-id"), operation.filled() + "?page=x&per_page=-1&nothing=1"):
            for content in (b"", MALFORMED, b'{"unknown": 1}', b"[" * 100_000):
                answer = await ask(app, operation.method, path, headers, content)
                assert (answer.status, answer.json()["detail"]) == (403, "Not enough permissions"), operation
