# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts are read, and what is known after the service was started again; on libvirt's test driver."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from hostler.app import create_app
from hostler.database import Database
from hostler.hosts.models import Server, ServerState
from hostler.settings import Settings
from hostler.statistics.clock import Statistics
from hostler.statistics.series import span_of, statistics_of_server
from tests.service.conftest import Headers
from tests.service.hostile.conftest import NODE
from tests.service.machines.lab_service import engine_of, eventually

pytestmark = pytest.mark.anyio


@pytest.fixture
async def driver(app: FastAPI, tmp_path: Path) -> Server:
    """A server of libvirt's test driver, which is watched."""
    node = tmp_path / "node.xml"
    node.write_text(NODE)
    server = await Server.create(hostname="driver", libvirt_uri=f"test://{node}", virt_type="qemu")
    await engine_of(app).watch.call_roll()
    return server


async def of_server(client: httpx.AsyncClient, headers: Headers, server: Server) -> dict[str, Any]:
    answer = await client.get(f"/api/servers/{server.id}/statistics", headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_host_that_is_reachable_is_read_and_one_that_is_disabled_is_not(
    app: FastAPI, client: httpx.AsyncClient, read_headers: Headers, driver: Server
) -> None:
    statistics = engine_of(app).statistics

    async def is_read() -> bool:
        return (await of_server(client, read_headers, driver))["now"] is not None

    await eventually(is_read, "the host is read")
    found = await of_server(client, read_headers, driver)
    assert found["now"]["pools"] == {"default": {"capacity_gb": 100, "free_gb": 100}}
    assert (found["now"]["vms"], found["now"]["cpu_percent"]) == (0, None)  # the test driver tells no more
    assert found["resolution"] == 1
    assert 100 in found["pools"]["default"]["free_gb"]

    await Server.filter(id=driver.id).update(enabled=False, state=ServerState.UNKNOWN.value)
    await statistics.call_roll()
    await statistics.write_down()
    assert not statistics.unwritten(driver.id)
    found = await of_server(client, read_headers, driver)
    assert found["now"] is None
    assert 100 in found["pools"]["default"]["free_gb"]  # what was, was


async def test_a_service_that_is_started_again_knows_what_was_and_goes_on(tmp_path: Path, settings: Settings) -> None:
    node = tmp_path / "node.xml"
    node.write_text(NODE)
    seen: list[list[float | None]] = []
    async with Database(settings) as database:
        await database.migrate()
    for _ in range(2):
        app = create_app(settings)
        async with app.router.lifespan_context(app):
            engine = engine_of(app)
            server, _ = await Server.get_or_create(
                hostname="driver", defaults={"libvirt_uri": f"test://{node}", "virt_type": "qemu"}
            )
            await engine.watch.call_roll()

            async def is_read(statistics: Statistics = engine.statistics, server: Server = server) -> bool:
                return len(statistics.unwritten(server.id)) >= 2

            await eventually(is_read, "the host is read twice")
            found = await statistics_of_server(engine.statistics, server.id, span_of(engine.statistics, None, None))
            seen.append([one for one in found["pools"]["default"]["free_gb"] if one is not None])

    assert len(seen[1]) >= len(seen[0]) + 2


async def test_with_a_pace_of_nothing_nothing_is_read(tmp_path: Path, clean_environment: None) -> None:
    settings = Settings(state_dir=tmp_path / "state", statistics_seconds=0, warm_start=False)
    app = create_app(settings)
    node = tmp_path / "node.xml"
    node.write_text(NODE)
    async with app.router.lifespan_context(app):
        server = await Server.create(hostname="driver", libvirt_uri=f"test://{node}", virt_type="qemu")
        await engine_of(app).watch.call_roll()

        async def is_reached() -> bool:
            await server.refresh_from_db()
            return server.state == ServerState.REACHABLE.value

        await eventually(is_reached, "the service reaches the host")
        assert engine_of(app).statistics.resolutions == (60, 300)
        assert not engine_of(app).statistics.hosts
