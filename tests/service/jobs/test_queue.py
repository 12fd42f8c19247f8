# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked for with ``Prefer: respond-async`` of a VM that is busy waits, and is done in its order."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from hostler.hosts.models import Server
from hostler.jobs.models import Job
from hostler.machines.models import Machine
from hostler.settings import Settings
from lab.host import Host
from tests.service.jobs.test_one_at_a_time import stopping, vm
from tests.service.machines.lab_service import SMALL, create, domains, eventually, volumes
from tests.service.machines.test_asynchronous import RATHER, ended

__all__ = ["vm"]

pytestmark = [pytest.mark.anyio, pytest.mark.lab, pytest.mark.rule("queue")]

SECRET = "s3cret-of-the-guest"


async def test_jobs_of_a_busy_vm_wait_and_are_done_in_their_order(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    path = f"/api/vms/{vm['id']}"
    waiting = await stopping(api, vm)
    asked = [
        await api.put(path, json={"description": "first", "name": "renamed"}, headers=RATHER),
        await api.post(f"{path}/resize", json={"cpu_cores": 2}, headers=RATHER),
        await api.post(f"{path}/start", headers=RATHER),
        await api.post(f"{path}/resize", json={"cpu_cores": 1}, headers=RATHER),  # it runs by then
        await api.post(f"{path}/restart?force=true", headers=RATHER),
        await api.put(path, json={"description": "last"}, headers=RATHER),
        await api.delete(path, headers=RATHER),
        await api.post(f"{path}/start", headers=RATHER),  # it is gone by then
    ]
    assert [answer.json()["state"] for answer in asked] == ["queued"] * len(asked)
    assert (await api.get(path)).json()["name"] == "deaf"

    clean_host.virsh("destroy", "deaf")
    assert (await waiting).status_code == 200
    jobs = [await ended(api, answer) for answer in asked]

    outcomes = [job["error"]["code"] if job["error"] else job["state"] for job in jobs]
    assert outcomes == [
        "succeeded", "succeeded", "succeeded", "wrong_state", "succeeded", "succeeded", "succeeded", "vm_not_found",
    ]  # fmt: skip
    assert jobs[3]["error"]["detail"] == "VM must be stopped before resizing"
    for earlier, later in itertools.pairwise(jobs):
        assert earlier["finished_at"] <= later["started_at"]
    assert domains(clean_host) == set() == volumes(clean_host)
    assert not await Machine.filter(id=vm["id"]).exists()


async def test_who_does_not_wait_does_not_get_in_between(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    path = f"/api/vms/{vm['id']}"
    waiting = await stopping(api, vm)
    queued = (await api.put(path, json={"description": "queued"}, headers=RATHER)).json()

    refused = await api.post(f"{path}/start")
    forced = await api.post(f"{path}/force-stop")

    stop = await Job.get(action="vm_stop")
    assert (refused.status_code, refused.json()["code"]) == (409, "vm_busy")
    assert f"stop (job {stop.id})" in refused.json()["detail"]
    assert (forced.status_code, (await waiting).json()["code"]) == (200, "superseded")
    assert (await ended_job(api, queued["id"]))["state"] == "succeeded"
    assert (await api.get(path)).json()["description"] == "queued"


async def test_an_asynchronous_force_stop_does_not_queue_behind_a_stop_that_hangs(
    api: httpx.AsyncClient, vm: dict[str, Any]
) -> None:
    waiting = await stopping(api, vm)

    forced = await api.post(f"/api/vms/{vm['id']}/force-stop", headers=RATHER)

    assert (await waiting).json()["code"] == "superseded"
    done = await ended(api, forced)
    assert (done["state"], done["supersedes_id"]) == ("succeeded", (await Job.get(action="vm_stop")).id)


async def test_a_canceled_one_is_left_out_and_a_create_leaves_nothing(
    app: FastAPI, api: httpx.AsyncClient, server: Server, vm: dict[str, Any], clean_host: Host
) -> None:
    path = f"/api/vms/{vm['id']}"
    waiting = await stopping(api, vm)
    first = (await api.put(path, json={"description": "never"}, headers=RATHER)).json()
    second = (await api.put(path, json={"os_version": "second"}, headers=RATHER)).json()

    canceled = await api.post(f"/api/jobs/{first['id']}/cancel")

    assert (canceled.status_code, canceled.json()["state"]) == (200, "canceled")
    clean_host.virsh("destroy", "deaf")
    await waiting
    assert (await ended_job(api, second["id"]))["state"] == "succeeded"
    shown = (await api.get(path)).json()
    assert (shown["description"], shown["os_version"]) == ("", "second")


async def test_a_job_that_waited_has_a_stale_if_match_refused_when_it_is_asked_for(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    waiting = await stopping(api, vm)
    stale = {**RATHER, "If-Match": '"1-2"'}

    answer = await api.put(f"/api/vms/{vm['id']}", json={"description": "x"}, headers=stale)

    assert answer.status_code == 412
    clean_host.virsh("destroy", "deaf")
    await waiting


class TestFullHost:
    """A host that has as many jobs as it may."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"host_jobs": 1})

    async def test_what_is_too_much_for_a_host_waits_with_its_secrets_sealed(
        self, api: httpx.AsyncClient, server: Server, vm: dict[str, Any], clean_host: Host
    ) -> None:
        waiting = await stopping(api, vm)
        body = {
            "name": "later", "server_id": server.id, "start": True, **SMALL,
            "cloud_init": {"hostname": "later", "user_data": f"#cloud-config\npassword: {SECRET}\n"},
        }  # fmt: skip
        answer = await api.post("/api/vms", json=body, headers=RATHER)
        assert answer.json()["state"] == "queued"
        await asyncio.sleep(1.5)  # the queue has looked at it meanwhile

        row = await Job.get(id=answer.json()["id"])
        shown = await api.get(f"/api/jobs/{row.id}")
        assert (row.state, shown.json()["state"]) == ("queued", "queued")
        assert row.sealed is not None
        assert SECRET not in row.sealed + str(row.parameters) + str(row.plan) + shown.text
        assert (await api.get(f"/api/vms/{row.vm_id}")).json()["status"] == "creating"

        clean_host.virsh("destroy", "deaf")
        await waiting
        made = await ended(api, answer)

        assert (made["state"], made["error"]) == ("succeeded", None)
        assert domains(clean_host) == {"deaf", "later"}
        assert (await api.get(f"/api/vms/{row.vm_id}")).json()["status"] == "running"
        await row.refresh_from_db()
        assert row.sealed is None

    async def test_a_create_that_is_canceled_before_its_turn_was_never_there(
        self, api: httpx.AsyncClient, server: Server, vm: dict[str, Any], clean_host: Host
    ) -> None:
        waiting = await stopping(api, vm)
        answer = await api.post("/api/vms", json={"name": "never", "server_id": server.id, **SMALL}, headers=RATHER)

        canceled = await api.post(f"/api/jobs/{answer.json()['id']}/cancel")

        assert canceled.json()["state"] == "canceled"
        assert (await api.get(f"/api/vms/{answer.json()['vm_id']}")).status_code == 404
        assert (await Job.get(id=answer.json()["id"])).sealed is None
        clean_host.virsh("destroy", "deaf")
        await waiting
        assert (await create(api, server, "never"))["name"] == "never"


async def ended_job(api: httpx.AsyncClient, job_id: int) -> dict[str, Any]:
    async def has_ended() -> bool:
        return (await Job.get(id=job_id)).finished_at is not None

    await eventually(has_ended, "the job ends")
    return dict((await api.get(f"/api/jobs/{job_id}")).json())
