# SPDX-License-Identifier: GPL-3.0-or-later
"""``Prefer: respond-async``: every write of a VM is answered with its job, and done all the same."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from hostler.hosts.models import Server
from hostler.jobs.models import Job
from lab.host import Host
from tests.service.machines.lab_service import SMALL, create, domains, eventually

pytestmark = [pytest.mark.anyio, pytest.mark.lab, pytest.mark.rule("synchronous")]

RATHER = {"Prefer": "respond-async"}


async def ended(api: httpx.AsyncClient, answer: httpx.Response) -> dict[str, Any]:
    """The job of a 202, when it has ended."""
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert answer.headers["Location"] == f"/api/jobs/{job['id']}"
    assert answer.headers["Preference-Applied"] == "respond-async"

    async def has_ended() -> bool:
        return (await api.get(answer.headers["Location"])).json()["finished_at"] is not None

    await eventually(has_ended, "the job ends")
    return dict((await api.get(answer.headers["Location"])).json())


async def test_every_write_is_202_with_its_job(api: httpx.AsyncClient, server: Server, clean_host: Host) -> None:
    made = await ended(
        api, await api.post("/api/vms", json={"name": "later", "server_id": server.id, **SMALL}, headers=RATHER)
    )
    assert (made["action"], made["state"]) == ("vm_create", "succeeded")
    path = f"/api/vms/{made['vm_id']}"
    assert made["result"]["vm"] == (await api.get(path)).json()
    writes: list[tuple[str, str, Any, str]] = [
        ("PUT", path, {"description": "async"}, "vm_update"),
        ("PUT", f"{path}/config", {"memory_mb": 96}, "vm_update"),
        ("POST", f"{path}/resize", {"memory_mb": 80}, "vm_resize"),
        ("POST", f"{path}/start", None, "vm_start"),
        ("POST", f"{path}/reset", None, "vm_reset"),
        ("POST", f"{path}/restart?force=true", None, "vm_restart"),
        ("POST", f"{path}/stop?timeout=1&force=true", None, "vm_stop"),
        ("POST", f"{path}/force-stop", None, "vm_force_stop"),
    ]
    for method, address, body, action in writes:
        job = await ended(api, await api.request(method, address, json=body, headers=RATHER))

        assert (job["action"], job["state"], job["vm_id"]) == (action, "succeeded", made["vm_id"]), job
    shown = (await api.get(path)).json()
    assert (shown["description"], shown["resources"]["memory_mb"], shown["status"]) == ("async", 80, "stopped")

    gone = await ended(api, await api.delete(path, headers=RATHER))

    assert (gone["action"], gone["state"], len(gone["result"]["deleted_disks"])) == ("vm_delete", "succeeded", 1)
    assert domains(clean_host) == set()


async def test_a_write_with_nothing_to_do_is_a_job_too(api: httpx.AsyncClient, server: Server) -> None:
    vm = await create(api, server, "same")
    for method, path in (("PUT", ""), ("PUT", "/config"), ("POST", "/resize")):
        job = await ended(api, await api.request(method, f"/api/vms/{vm['id']}{path}", json={}, headers=RATHER))

        assert (job["state"], job["result"]["changed"]) == ("succeeded", False)


async def test_what_can_not_be_is_said_at_once(api: httpx.AsyncClient, server: Server) -> None:
    vm = await create(api, server, "busy", start=True, protected=True)
    path = f"/api/vms/{vm['id']}"

    assert (await api.post(f"{path}/resize", json={"memory_mb": 96}, headers=RATHER)).status_code == 400
    assert (await api.delete(path, headers=RATHER)).status_code == 400
    assert (await api.post("/api/vms", json={"name": "busy"}, headers=RATHER)).status_code == 422
    assert await Job.all().count() == 1


async def test_what_fails_later_is_in_the_job(api: httpx.AsyncClient, server: Server) -> None:
    vm = await create(api, server, "deaf", start=True)

    job = await ended(api, await api.post(f"/api/vms/{vm['id']}/stop", params={"timeout": 1}, headers=RATHER))

    assert job["state"] == "failed"
    assert job["error"]["code"] == "guest_timeout"
    assert (await api.get(f"/api/vms/{vm['id']}")).json()["status"] == "running"


@pytest.mark.slow
async def test_a_client_may_say_how_long_it_would_wait(api: httpx.AsyncClient, server: Server) -> None:
    vm = await create(api, server, "quick")

    answer = await api.post(f"/api/vms/{vm['id']}/start", headers={"Prefer": "respond-async, wait=20"})
    assert (answer.status_code, answer.json()["message"]) == (200, "VM started successfully")

    answer = await api.post(
        f"/api/vms/{vm['id']}/stop", params={"timeout": 2}, headers={"Prefer": "respond-async, wait=1"}
    )
    assert (await ended(api, answer))["error"]["code"] == "guest_timeout"


async def test_another_preference_changes_nothing(api: httpx.AsyncClient, server: Server) -> None:
    vm = await create(api, server, "waited")

    answer = await api.post(f"/api/vms/{vm['id']}/start", headers={"Prefer": "return=minimal, wait=1"})

    assert answer.status_code == 200
    assert "Preference-Applied" not in answer.headers


async def test_a_dry_run_is_answered_at_once(api: httpx.AsyncClient, server: Server) -> None:
    vm = await create(api, server, "dry")

    answer = await api.post(f"/api/vms/{vm['id']}/start", params={"dry_run": "true"}, headers=RATHER)

    assert (answer.status_code, answer.json()["changed"]) == (200, True)
    assert "Preference-Applied" not in answer.headers
