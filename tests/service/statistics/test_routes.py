# SPDX-License-Identifier: GPL-3.0-or-later
"""What is answered of what is known, whichever way it is asked for."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from hostler.hosts.models import Server
from hostler.machines.models import Machine
from hostler.statistics.figures import Figures
from hostler.statistics.history import Page
from hostler.statistics.resolution import HOUR, slot
from hostler.statistics.round import HOST, Round, rolled_up
from hostler.statistics.store import write
from tests.service.conftest import Headers

pytestmark = pytest.mark.anyio


@pytest.fixture
async def vm(app: FastAPI) -> Machine:
    """A VM on a server that nobody can reach, with a day of figures."""
    server = await Server.create(hostname="away", libvirt_uri="test:///nowhere", enabled=False)
    machine = await Machine.create(
        uuid="00000000-0000-0000-0000-000000000001",
        server=server,
        name="web",
        status="unknown",
        cpu_cores=1,
        memory_mb=64,
        disk_gb=0,
    )
    now = time.time()
    pages = []
    for resolution, seconds in ((1, 600), (60, 2 * HOUR), (300, 20 * HOUR)):
        for at in range(slot(now - seconds, resolution), slot(now, resolution) - resolution, resolution):
            readings = [
                Round.of(at, {HOST: Figures(cpu_percent=busy), machine.id: Figures(cpu_percent=busy * 2)})
                for busy in (10.0, 30.0)
            ]
            pages.append(Page(resolution, readings[0] if resolution == 1 else rolled_up(at, readings)))
    await write({server.id: pages}, now)
    return machine


async def ask(client: httpx.AsyncClient, headers: Headers, path: str, **query: Any) -> dict[str, Any]:
    answer = await client.get(path, headers=headers, params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def ago(hours: float) -> str:
    return (datetime.now(UTC) - timedelta(hours=hours)).isoformat()


def first(found: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(found["since"])


@pytest.mark.rule("statistics")
async def test_an_hour_is_shown_as_it_was_read_and_longer_times_coarser(
    client: httpx.AsyncClient, read_headers: Headers, vm: Machine
) -> None:
    path = f"/api/vms/{vm.id}/statistics"
    hour = await ask(client, read_headers, path)
    assert (hour["id"], hour["name"], hour["resolution"], hour["now"]) == (vm.id, "web", 1, None)
    busy = hour["series"]["cpu_percent"]
    assert len(busy["average"]) == pytest.approx(3600, abs=2)
    assert busy["average"][0] is None  # nothing is known of before ten minutes
    assert busy["average"][-300] == busy["highest"][-300] == pytest.approx(20, rel=0.001)
    assert set(hour["series"]["disk_reads"]["average"]) == {None}

    for hours, resolution in ((3, 60), (12, 300), (48, 300)):
        found = await ask(client, read_headers, path, since=ago(hours))
        assert found["resolution"] == resolution
        assert len(found["series"]["cpu_percent"]["average"]) == pytest.approx(
            min(hours, 24) * HOUR / resolution, abs=2
        )
        assert found["series"]["cpu_percent"]["average"][-10] == pytest.approx(40, rel=0.001)
        assert found["series"]["cpu_percent"]["highest"][-10] == pytest.approx(60, rel=0.001)

    same = await ask(client, read_headers, f"/api/vms/{vm.uuid}/statistics", since=ago(3))
    assert (same["id"], same["resolution"]) == (vm.id, 60)


@pytest.mark.rule("statistics")
async def test_who_asks_for_a_resolution_gets_it_as_far_back_as_it_is_kept(
    client: httpx.AsyncClient, read_headers: Headers, vm: Machine
) -> None:
    path = f"/api/vms/{vm.id}/statistics"
    for resolution, hours in ((1, 1), (60, 6), (300, 24)):
        found = await ask(client, read_headers, path, since=ago(30), resolution=resolution)
        assert found["resolution"] == resolution
        assert first(found).timestamp() % resolution == 0
        age = datetime.now(UTC) - first(found)
        assert age.total_seconds() == pytest.approx(hours * HOUR, abs=resolution + 60)
    short = await ask(client, read_headers, path, since=ago(-5), resolution=300)
    assert len(short["series"]["cpu_percent"]["average"]) == 1  # what lies ahead is not known


async def test_a_server_shows_its_own(client: httpx.AsyncClient, read_headers: Headers, vm: Machine) -> None:
    found = await ask(client, read_headers, f"/api/servers/{vm.server_id}/statistics", since=ago(3))

    assert (found["id"], found["name"], found["now"], found["pools"]) == (vm.server_id, "away", None, {})
    assert found["series"]["cpu_percent"]["average"][-10] == pytest.approx(20, rel=0.001)
    assert found["series"]["cpu_percent"]["highest"][-10] == pytest.approx(30, rel=0.001)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"resolution": "7"}, "resolution"),
        ({"resolution": "0"}, "query.resolution"),
        ({"since": "2026-01-01T00:00:00"}, "query.since"),
        ({"since": "yesterday"}, "query.since"),
    ],
)
async def test_what_makes_no_sense_is_refused_by_its_name(
    client: httpx.AsyncClient, read_headers: Headers, vm: Machine, query: dict[str, str], field: str
) -> None:
    answer = await client.get(f"/api/vms/{vm.id}/statistics", headers=read_headers, params=query)

    assert answer.status_code == 422
    (problem,) = answer.json()["errors"]
    assert problem["field"].removeprefix("query.") == field.removeprefix("query.")
    assert field.rpartition(".")[2] in answer.json()["detail"]


async def test_who_is_not_there_has_none_and_a_stranger_is_told_nothing(
    client: httpx.AsyncClient, read_headers: Headers, vm: Machine
) -> None:
    for path in ("/api/vms/999/statistics", "/api/servers/999/statistics"):
        assert (await client.get(path, headers=read_headers)).status_code == 404
    assert (await client.get(f"/api/vms/{vm.id}/statistics")).status_code == 401
