# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes whose process was killed: done is called done, and a row shows what its host has."""

from __future__ import annotations

import threading
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from hostler.hosts.models import Server
from hostler.jobs.models import Job
from hostler.machines.models import Machine
from hostler.machines.recovery import recover
from tests.service.machines.lab_service import create, engine_of

pytestmark = [pytest.mark.anyio, pytest.mark.lab]


async def cut_off(app: FastAPI, server: Server, vm: dict[str, Any], action: str, **parameters: Any) -> Job:
    """A job of a process that is no more, as the next one leaves it."""
    job = await Job.create(
        action=action,
        executor="direct",
        state="running",
        vm_id=vm["id"],
        vm_uuid=vm["uuid"],
        vm_name=vm["name"],
        server_id=server.id,
        parameters=parameters,
        lease_owner="a process that was killed",
    )
    await recover(server, engine_of(app).host(server))
    await job.refresh_from_db()
    return job


async def test_a_change_that_was_made_is_called_done(app: FastAPI, api: httpx.AsyncClient, server: Server) -> None:
    vm = await create(api, server, "changed", description="new", tags=["a"], memory_mb=96)

    for action, parameters in (
        ("vm_update", {"description": "new", "tags": ["a"], "os_version": "none at all"}),
        ("vm_update", {"vnc_enabled": True, "network_config": {"type": "none", "model": "virtio"}}),
        ("vm_resize", {"memory_mb": 96, "live": True}),
    ):
        job = await cut_off(app, server, vm, action, **parameters)

        assert (job.state, job.result) == ("succeeded", {"recovered": True}), parameters


async def test_a_change_that_was_not_made_whole_has_failed_and_the_row_shows_what_there_is(
    app: FastAPI, api: httpx.AsyncClient, server: Server
) -> None:
    vm = await create(api, server, "half")
    await Machine.filter(id=vm["id"]).update(name="claimed")  # as the job had it before it was killed

    job = await cut_off(app, server, vm, "vm_update", name="claimed", description="")

    assert (job.state, job.error_code) == ("failed", "cut_off")
    assert job.error_detail == "The service was stopped while this ran; the VM is stopped"
    assert (await api.get(f"/api/vms/{vm['id']}")).json()["name"] == "half"
    assert (await cut_off(app, server, vm, "vm_resize", memory_mb=96)).state == "failed"
    assert (await cut_off(app, server, vm, "vm_restart", timeout=60, force=True)).state == "failed"


async def test_what_a_newer_service_was_asked_for_is_settled_too(
    app: FastAPI, api: httpx.AsyncClient, server: Server
) -> None:
    vm = await create(api, server, "newer")

    job = await cut_off(app, server, vm, "vm_update", colour="blue")

    assert job.state == "failed"
    assert (await api.post(f"/api/vms/{vm['id']}/start")).status_code == 200


async def test_a_job_whose_vm_can_not_be_asked_has_failed_and_keeps_nobody_waiting(
    app: FastAPI, api: httpx.AsyncClient, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    vm = await create(api, server, "hangs")
    over = threading.Event()
    monkeypatch.setattr("hostler.machines.recovery._look", lambda *_of, **_by_name: over.wait(30))
    monkeypatch.setattr("hostler.machines.recovery.reading_seconds", lambda _vms: 0.1)

    job = await cut_off(app, server, vm, "vm_start")

    over.set()
    assert (job.state, job.error_code) == ("failed", "cut_off")
    assert job.error_detail is not None
    assert job.error_detail.endswith("could not be put right: what it is was not told in time")
