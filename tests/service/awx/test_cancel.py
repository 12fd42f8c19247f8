# SPDX-License-Identifier: GPL-3.0-or-later
"""Canceling a job that is at AWX, here or there, and one that takes too long."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from hostler.hosts.models import Server
from hostler.jobs.models import Job
from hostler.settings import Settings
from lab.host import Host
from tests.awx_setup.controller.faults import Fault
from tests.service.awx.conftest import CREATE, WAITS, Awx, settings_of
from tests.service.machines.lab_service import SMALL, create, domains, eventually, volumes

pytestmark = [pytest.mark.anyio, pytest.mark.lab]


@pytest.fixture
def settings(clean_environment: None, request: pytest.FixtureRequest, tmp_path: Path, awx: Awx) -> Settings:
    """As the tests' others; with how long a playbook may take, if a test says so."""
    database_url = request.getfixturevalue("database_url")
    return settings_of(awx, tmp_path, database_url, playbook_timeout_seconds=getattr(request, "param", 3600))


def begin(api: httpx.AsyncClient, server: Server) -> asyncio.Task[httpx.Response]:
    return asyncio.create_task(api.post("/api/vms", json={"name": "unwanted", "server_id": server.id, **SMALL}))


async def waiting(awx: Awx) -> None:
    async def waits() -> bool:
        return any(
            event["task"] == WAITS["name"] for job in awx.launched for event in awx.controller.jobs.events[job["id"]]
        )

    await eventually(waits, "it runs at AWX")


async def test_a_cancel_here_is_one_there_and_takes_back_what_was_made(
    api: httpx.AsyncClient, server: Server, clean_host: Host, awx: Awx
) -> None:
    awx.hook("vm_create_after", WAITS)
    creating = begin(api, server)
    await waiting(awx)
    assert domains(clean_host) == {"unwanted"}
    job = await Job.get()

    answer = await api.post(f"/api/jobs/{job.id}/cancel")

    assert answer.status_code == 200, answer.text
    assert (answer.json()["state"], answer.json()["error"]["code"]) == ("canceled", "canceled")
    assert [there["status"] for there in awx.launched] == ["canceled"]
    assert (await creating).status_code == 409
    assert domains(clean_host) == volumes(clean_host) == set()


async def test_a_cancel_in_the_middle_of_the_launch_ends_what_was_launched(
    api: httpx.AsyncClient, server: Server, clean_host: Host, awx: Awx
) -> None:
    awx.hook("vm_create_before", WAITS)
    awx.controller.faults.append(Fault("silence", path="/launch/$", method="POST", seconds=1.5, times=1, heard=True))
    creating = begin(api, server)

    async def is_launched() -> bool:
        return bool(awx.launched)

    await eventually(is_launched, "it is launched")
    job = await Job.get()
    assert job.external_id is None

    answer = await api.post(f"/api/jobs/{job.id}/cancel")

    assert answer.json()["state"] == "canceled"
    assert [there["status"] for there in awx.launched] == ["canceled"]
    assert (await creating).status_code == 409
    assert domains(clean_host) == volumes(clean_host) == set()


async def test_a_resize_that_is_canceled_lets_go_of_the_vm(api: httpx.AsyncClient, server: Server, awx: Awx) -> None:
    vm = await create(api, server, "resized")
    awx.hook("vm_resize_before", WAITS)
    resizing = asyncio.create_task(api.post(f"/api/vms/{vm['id']}/resize", json={"memory_mb": 96}))
    await waiting(awx)
    job = await Job.get(action="vm_resize")

    assert (await api.post(f"/api/vms/{vm['id']}/start")).status_code == 409
    assert (await api.post(f"/api/jobs/{job.id}/cancel")).json()["state"] == "canceled"

    assert (await resizing).status_code == 409
    assert awx.launched[-1]["status"] == "canceled"
    assert (await api.post(f"/api/vms/{vm['id']}/start")).status_code == 200
    assert (await api.get(f"/api/vms/{vm['id']}")).json()["resources"]["memory_mb"] == 64


async def test_a_cancel_that_awx_does_not_hear_is_told_again_later(
    api: httpx.AsyncClient, server: Server, clean_host: Host, awx: Awx, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hostler.machines.abandoned._LOOK_SECONDS", 0.3)
    awx.hook("vm_create_before", WAITS)
    creating = begin(api, server)
    await waiting(awx)
    awx.controller.faults.append(Fault("status", path="/cancel/$", status=503))
    job = await Job.get()

    answer = await api.post(f"/api/jobs/{job.id}/cancel")
    assert (answer.json()["state"], awx.launched[0]["status"]) == ("canceled", "running")
    awx.controller.faults.clear()

    async def is_canceled() -> bool:
        return bool(awx.launched[0]["status"] == "canceled")

    await eventually(is_canceled, "AWX hears of it")
    assert (await creating).status_code == 409
    assert domains(clean_host) == set()


async def test_a_cancel_at_awx_is_told_as_one(
    api: httpx.AsyncClient, server: Server, clean_host: Host, awx: Awx
) -> None:
    awx.hook("vm_create_before", WAITS)
    creating = begin(api, server)
    await waiting(awx)

    awx.controller.jobs.cancel(awx.launched[0])
    answer = await creating

    assert (answer.status_code, answer.json()["code"]) == (409, "awx_canceled")
    assert answer.json()["detail"] == f"The job was canceled at AWX (AWX job {awx.launched[0]['id']})"
    assert domains(clean_host) == volumes(clean_host) == set()


@pytest.mark.parametrize("settings", [6], indirect=True)
async def test_a_job_that_takes_too_long_is_canceled_there(
    api: httpx.AsyncClient, server: Server, clean_host: Host, awx: Awx
) -> None:
    awx.hook("vm_create_before", WAITS)

    answer = await begin(api, server)

    assert answer.status_code == 500, answer.text
    assert answer.json()["detail"] == "Failed to create VM: The playbook took too long and was ended"
    assert [there["status"] for there in awx.launched] == ["canceled"]
    assert domains(clean_host) == volumes(clean_host) == set()


async def test_events_that_awx_has_lost_keep_no_job_from_ending(
    api: httpx.AsyncClient, server: Server, awx: Awx, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hostler.awx.following._LAST_EVENTS_SECONDS", 2.0)
    awx.controller.jobs.lost_for_good = True

    vm = await create(api, server, "made")

    assert vm["status"] == "stopped"
    assert awx.templates[CREATE]["id"] == awx.launched[0]["unified_job_template"]
