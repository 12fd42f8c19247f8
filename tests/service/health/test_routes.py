# SPDX-License-Identifier: GPL-3.0-or-later
"""Health."""

from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI

from tests.service.conftest import DATABASE

pytestmark = pytest.mark.anyio


@pytest.mark.rule("health")
async def test_a_healthy_service_says_no_more_than_that(client: httpx.AsyncClient) -> None:
    alive, ready = await client.get("/healthz"), await client.get("/readyz")

    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})


@pytest.mark.skipif(DATABASE != "sqlite", reason="PostgreSQL's pool opens itself again; test_postgres stops the server")
@pytest.mark.rule("health")
async def test_without_its_database_it_lives_but_is_not_ready(app: FastAPI, client: httpx.AsyncClient) -> None:
    await app.state.database.connection.close()

    assert (await client.get("/healthz")).status_code == 200
    ready = await client.get("/readyz")
    assert (ready.status_code, ready.json()) == (503, {"status": "unavailable"})
