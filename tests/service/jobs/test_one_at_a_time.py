# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM has one job at a time: others are refused, but for force-stop, which takes a waiting stop's place."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from hostler.hosts import actions
from hostler.hosts.models import Server
from hostler.jobs.models import Job, JobState, JobStep
from hostler.settings import Settings
from lab.host import Host
from tests.service.machines.lab_service import create, engine_of, eventually

pytestmark = [pytest.mark.anyio, pytest.mark.lab]


@pytest.fixture
async def vm(api: httpx.AsyncClient, server: Server) -> dict[str, Any]:
    """A VM that runs, and never hears of ACPI."""
    return await create(api, server, "deaf", start=True)


async def stopping(api: httpx.AsyncClient, vm: dict[str, Any], **query: Any) -> asyncio.Task[httpx.Response]:
    """Have a stop wait for the guest."""
    waiting = asyncio.create_task(api.post(f"/api/vms/{vm['id']}/stop", params={"timeout": 60, **query}))

    async def waits() -> bool:
        return await JobStep.filter(name__startswith="Wait up to", state="running").exists()

    await eventually(waits, "the stop waits for its guest")
    return waiting


async def job_of(action: str) -> Job:
    return await Job.get(action=action)


@pytest.mark.rule("one-at-a-time", "error-codes")
async def test_a_busy_vm_refuses_everything_else_and_names_the_job(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    waiting = await stopping(api, vm)
    job = await job_of("vm_stop")
    assert (await api.get(f"/api/vms/{vm['id']}")).json()["status"] == "stopping"

    for answer in (
        await api.post(f"/api/vms/{vm['id']}/start"),
        await api.post(f"/api/vms/{vm['id']}/stop"),
        await api.delete(f"/api/vms/{vm['id']}"),
    ):
        assert answer.status_code == 409
        assert answer.json()["detail"] == f"VM 'deaf' has an operation in progress: stop (job {job.id})"
        assert answer.json()["code"] == "vm_busy"

    assert await Job.exclude(action="vm_create").count() == 1
    clean_host.virsh("destroy", "deaf")
    assert (await waiting).json()["message"] == "VM stopped successfully"


@pytest.mark.rule("one-at-a-time")
async def test_force_stop_takes_the_place_of_a_stop_that_waits(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    waiting = await stopping(api, vm)
    before = await job_of("vm_stop")

    forced = await api.post(f"/api/vms/{vm['id']}/force-stop")
    stopped = await waiting

    assert forced.status_code == 200
    assert forced.json()["message"] == "VM force stopped successfully"
    assert stopped.status_code == 409
    assert stopped.json()["code"] == "superseded"
    stop, force_stop = await job_of("vm_stop"), await job_of("vm_force_stop")
    assert (stop.state, stop.error_code) == ("canceled", "superseded")
    assert stop.finished_at is not None
    assert (force_stop.state, force_stop.supersedes_id) == ("succeeded", before.id)
    assert force_stop.generation == stop.generation + 1
    steps = await JobStep.filter(job_id=stop.id).order_by("position").values_list("name", "state")
    assert steps == [("Ask the guest to power off", "succeeded"), ("Wait up to 60 s for the guest", "failed")]
    assert clean_host.virsh("domstate", "deaf") == "shut off"
    assert (await api.get(f"/api/vms/{vm['id']}")).json()["status"] == "stopped"
    shown = (await api.get(f"/api/jobs/{force_stop.id}")).json()
    assert shown["supersedes_id"] == before.id


async def test_a_superseded_job_does_nothing_more(api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host) -> None:
    waiting = await stopping(api, vm, force="true", timeout=2)
    await api.post(f"/api/vms/{vm['id']}/force-stop")
    await waiting
    assert (await api.post(f"/api/vms/{vm['id']}/start")).json()["details"]["changed"] is True

    await asyncio.sleep(2.5)  # by now the stop would have pulled the plug

    assert clean_host.virsh("domstate", "deaf") == "running"


async def test_ten_verbs_at_once_are_done_one_at_a_time(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    verbs = ["force-stop", "start"] * 5

    answers = await asyncio.gather(*(api.post(f"/api/vms/{vm['id']}/{verb}") for verb in verbs))

    assert {answer.status_code for answer in answers} <= {200, 409}
    done = [answer for answer in answers if answer.status_code == 200]
    assert done
    assert await Job.filter(action__in=["vm_start", "vm_force_stop"]).count() == len(done)
    assert not await Job.filter(state="running").exists()
    word = clean_host.virsh("domstate", "deaf")
    assert (await api.get(f"/api/vms/{vm['id']}")).json()["status"] == {"running": "running", "shut off": "stopped"}[
        word
    ]


async def test_a_server_that_is_renamed_meanwhile_hinders_no_job(
    app: FastAPI, api: httpx.AsyncClient, vm: dict[str, Any], server: Server, clean_host: Host
) -> None:
    waiting = await stopping(api, vm)

    await actions.change(server, {"hostname": "renamed"})
    await engine_of(app).watch.call_roll()
    clean_host.virsh("destroy", "deaf")

    assert (await waiting).json()["message"] == "VM stopped successfully"
    shown = (await api.get(f"/api/vms/{vm['id']}")).json()
    assert (shown["server"]["hostname"], shown["status"]) == ("renamed", "stopped")


async def test_a_job_on_a_server_that_is_disabled_meanwhile_fails_and_frees_its_vm(
    app: FastAPI, api: httpx.AsyncClient, vm: dict[str, Any], server: Server, clean_host: Host
) -> None:
    waiting = await stopping(api, vm)

    await actions.change(server, {"enabled": False})
    await engine_of(app).watch.call_roll()
    answer = await waiting

    assert (answer.status_code, answer.json()["detail"]) == (503, "Host 'lab1' is unreachable")
    assert (await job_of("vm_stop")).state == "failed"
    await actions.change(server, {"enabled": True})
    assert (await api.post(f"/api/vms/{vm['id']}/force-stop")).json()["details"]["changed"] is True


class TestPatience:
    """A wait that is bounded: the setting sync_timeout_seconds."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"sync_timeout_seconds": 1})

    async def test_a_write_that_takes_longer_is_202_and_goes_on(
        self, api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
    ) -> None:
        answer = await api.post(f"/api/vms/{vm['id']}/stop", params={"timeout": 60})

        assert answer.status_code == 202
        job = await job_of("vm_stop")
        assert answer.headers["Location"] == f"/api/jobs/{job.id}"
        body = answer.json()
        assert (body["id"], body["action"], body["state"], body["vm_id"]) == (job.id, "vm_stop", "running", vm["id"])

        clean_host.virsh("destroy", "deaf")

        async def has_ended() -> bool:
            return bool((await api.get(answer.headers["Location"])).json()["state"] == "succeeded")

        await eventually(has_ended, "the job ends by itself")
        assert (await api.get(f"/api/vms/{vm['id']}")).json()["status"] == "stopped"

    async def test_what_fails_later_is_in_the_job(self, api: httpx.AsyncClient, vm: dict[str, Any]) -> None:
        answer = await api.post(f"/api/vms/{vm['id']}/stop", params={"timeout": 2})
        assert answer.status_code == 202

        async def has_failed() -> bool:
            return bool((await api.get(answer.headers["Location"])).json()["state"] == "failed")

        await eventually(has_failed, "the job fails")
        job = (await api.get(answer.headers["Location"])).json()
        assert job["error"] == {
            "code": "guest_timeout",
            "detail": "The guest did not shut down within 2 s; the VM is still running",
        }
        assert (await api.get(f"/api/vms/{vm['id']}")).json()["status"] == "running"


async def test_a_job_that_a_shutdown_cuts_off_stays_open_for_the_next_start(
    app: FastAPI, api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    waiting = await stopping(api, vm)

    await engine_of(app).crew.close(0)

    answer = await waiting
    assert answer.status_code == 503
    assert answer.json()["detail"] == "The service is stopping; the next one looks into what became of this"
    assert (await job_of("vm_stop")).state == JobState.RUNNING.value
    assert clean_host.virsh("domstate", "deaf") == "running"
