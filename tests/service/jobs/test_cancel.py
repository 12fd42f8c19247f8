# SPDX-License-Identifier: GPL-3.0-or-later
"""``POST /api/jobs/{id}/cancel``: a job ends where that is safe, and nothing of it is left."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import OperationFailed
from hostler.events.models import Event
from hostler.hosts.models import Server
from hostler.jobs.ledger import PROCESS
from hostler.jobs.models import Job
from hostler.jobs.track import JobTrack
from hostler.machines import creation
from hostler.machines.models import Machine
from hostler.settings import Settings
from lab.host import Host
from tests.service.conftest import Headers
from tests.service.jobs.test_one_at_a_time import job_of, stopping
from tests.service.machines.lab_service import SMALL, create, domains, engine_of, eventually, volumes

pytestmark = pytest.mark.anyio

CANCELED = {"code": "canceled", "detail": "The operation was canceled"}


async def row(**fields: Any) -> Job:
    known: dict[str, Any] = {"action": "vm_start", "executor": "direct", "vm_id": 1, "server_id": 1}
    return await Job.create(**{**known, **fields})


async def cancel(api: httpx.AsyncClient, job: Job, **headers: str) -> httpx.Response:
    return await api.post(f"/api/jobs/{job.id}/cancel", headers=headers)


@pytest.mark.rule("jobs")
async def test_a_queued_job_is_canceled_at_once(api: httpx.AsyncClient) -> None:
    job = await row(state="queued", action="vm_rest")  # of a newer service: nobody here takes it up

    answer = await cancel(api, job)

    assert answer.status_code == 200
    assert (answer.json()["state"], answer.json()["error"]) == ("canceled", CANCELED)
    assert answer.json()["finished_at"] == answer.json()["cancel_requested_at"] is not None
    assert answer.json() == (await cancel(api, job)).json()
    assert await Event.filter(job_id=job.id).values_list("kind", flat=True) == ["job.changed"]


async def test_a_job_that_has_ended_is_left_as_it_is(api: httpx.AsyncClient) -> None:
    for state in ("succeeded", "failed", "canceled"):
        job = await row(state=state)
        answer = await cancel(api, job)
        assert (answer.status_code, answer.json()["state"], answer.json()["cancel_requested_at"]) == (200, state, None)
    assert not await Event.all().exists()


@pytest.mark.rule("jobs")
async def test_a_job_of_another_process_is_asked_to_end(api: httpx.AsyncClient) -> None:
    job = await row(state="running", lease_owner="elsewhere:1:abc")

    answer = await cancel(api, job)

    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/api/jobs/{job.id}"
    assert answer.json()["state"] == "running"
    assert answer.json()["cancel_requested_at"] is not None
    again = await cancel(api, job)
    assert (again.status_code, again.json()) == (202, answer.json())


async def test_a_delete_that_has_begun_is_not_canceled(api: httpx.AsyncClient) -> None:
    for number, action in enumerate(("vm_delete", "image_delete"), 1):
        job = await row(action=action, state="running", vm_id=number)
        answer = await cancel(api, job)
        assert (answer.status_code, answer.json()["code"]) == (409, "not_cancelable")
        await job.refresh_from_db()
        assert job.cancel_requested_at is None


async def test_who_may_not_write_cancels_nothing(
    client: httpx.AsyncClient, read_headers: Headers, api: httpx.AsyncClient
) -> None:
    job = await row(state="queued", action="vm_rest")
    assert (await client.post(f"/api/jobs/{job.id}/cancel", headers=read_headers)).status_code == 403
    assert (await api.post("/api/jobs/999/cancel")).json()["detail"] == "Job with ID 999 not found"
    assert (await api.post("/api/jobs/x/cancel")).status_code == 422


async def test_what_another_process_has_canceled_is_heeded(
    app: FastAPI, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hostler.jobs.crew._HEED_SECONDS", 0.05)
    job = await row(state="running", lease_owner=PROCESS)

    async def wait_for_ever(_track: JobTrack) -> Mapping[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def canceled_elsewhere() -> None:
        await asyncio.sleep(0.1)
        await Job.filter(id=job.id).update(cancel_requested_at=datetime.now(UTC))

    outcomes = await asyncio.gather(
        engine_of(app).crew.carry_out(job, wait_for_ever), canceled_elsewhere(), return_exceptions=True
    )

    assert getattr(outcomes[0], "code", None) == "canceled"
    await job.refresh_from_db()
    assert (job.state, job.error_code) == ("canceled", "canceled")


@pytest.mark.lab
async def test_a_stop_that_waits_is_canceled_and_the_vm_runs_on(
    api: httpx.AsyncClient, server: Server, clean_host: Host
) -> None:
    vm = await create(api, server, "deaf", start=True)
    waiting = await stopping(api, vm)
    job = await job_of("vm_stop")

    answer = await cancel(api, job)
    stopped = await waiting

    assert answer.status_code == 200
    assert (answer.json()["state"], answer.json()["error"]) == ("canceled", CANCELED)
    assert (stopped.status_code, stopped.json()["code"]) == (409, "canceled")
    assert stopped.json()["detail"] == "The operation was canceled"
    assert clean_host.virsh("domstate", "deaf") == "running"
    assert (await api.get(f"/api/vms/{vm['id']}")).json()["status"] == "running"
    assert (await cancel(api, job)).json() == answer.json()
    # the VM is free
    assert (await api.post(f"/api/vms/{vm['id']}/force-stop")).status_code == 200


@pytest.mark.lab
async def test_a_create_in_the_middle_is_undone(
    api: httpx.AsyncClient, server: Server, clean_host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = creation.core_create.create
    begun, may_go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def held(hypervisor: Any, plan: Any, report: Any, fence: Any) -> Any:
        def fence_after_the_second_step() -> None:
            if len(volumes(clean_host)) and not begun.is_set():
                loop.call_soon_threadsafe(begun.set)
                asyncio.run_coroutine_threadsafe(may_go_on.wait(), loop).result(20)
            fence()

        return make(hypervisor, plan, report, fence_after_the_second_step)

    monkeypatch.setattr(creation.core_create, "create", held)
    body = {"name": "unwanted", "server_id": server.id, **SMALL, "start": True, "protected": True}
    creating = asyncio.create_task(api.post("/api/vms", json=body))
    await asyncio.wait_for(begun.wait(), 20)
    job = await job_of("vm_create")

    at_once = await cancel(api, job, Prefer="respond-async")
    assert (at_once.status_code, at_once.json()["state"]) == (202, "running")
    may_go_on.set()
    answer = await cancel(api, job)
    created = await creating

    assert (answer.status_code, answer.json()["state"]) == (200, "canceled")
    assert (created.status_code, created.json()["code"]) == (409, "canceled")
    assert domains(clean_host) == set()
    assert volumes(clean_host) == set()
    assert not await Machine.all().exists()
    kinds = await Event.filter(vm_id=job.vm_id, job_id=None).order_by("id").values_list("kind", flat=True)
    assert kinds == ["vm.created", "vm.deleted"]


class TestPlaybook:
    """The same, where a playbook does the work."""

    @pytest.fixture
    def settings(self, settings: Settings, tmp_path: Path) -> Settings:
        hooks = tmp_path / "hooks"
        hooks.mkdir()
        (hooks / "vm_create_after.yml").write_text(
            "- name: Tell everybody\n  ansible.builtin.command: sleep 4711\n", "utf-8"
        )
        return settings.model_copy(update={"dispatch": {}, "hooks_dir": hooks})

    @pytest.mark.lab
    async def test_its_processes_are_ended_and_what_it_made_is_taken_away(
        self, api: httpx.AsyncClient, server: Server, clean_host: Host
    ) -> None:
        creating = asyncio.create_task(api.post("/api/vms", json={"name": "unwanted", "server_id": server.id, **SMALL}))

        async def sleeps() -> bool:
            return bool(_sleepers())

        await eventually(sleeps, "the playbook is in the site's own step", 40)
        assert domains(clean_host) == {"unwanted"}
        job = await job_of("vm_create")

        answer = await cancel(api, job)
        created = await creating

        assert (answer.status_code, answer.json()["state"]) == (200, "canceled")
        assert (created.status_code, created.json()["code"]) == (409, "canceled")
        assert _sleepers() == []
        assert domains(clean_host) == set()
        assert volumes(clean_host) == set()
        assert not await Machine.all().exists()


def _sleepers() -> list[str]:
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                command = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if command[:2] == [b"sleep", b"4711"]:
                found.append(process.name)
    return found


async def test_a_cancel_that_comes_while_the_end_is_written_down_cuts_nothing_off(
    app: FastAPI, api: httpx.AsyncClient
) -> None:
    job = await row(state="running", lease_owner=PROCESS)
    crew = engine_of(app).crew
    over = asyncio.Event()

    async def work(track: JobTrack) -> Mapping[str, Any]:
        for number in range(50):
            track.line(f"line {number}")  # which take a moment to be written
        over.set()
        return {"changed": True}

    task = crew.start(job, work)
    await over.wait()
    await asyncio.sleep(0)
    answers = await asyncio.gather(*(cancel(api, job) for _ in range(3)))

    assert (await task) == {"changed": True}
    assert {answer.status_code for answer in answers} == {200}
    await job.refresh_from_db()
    assert (job.state, crew.has(job.id)) == ("succeeded", False)


async def test_a_failure_that_can_not_be_written_ends_the_job_all_the_same(app: FastAPI) -> None:
    job = await row(state="running", lease_owner=PROCESS)

    async def work(_track: JobTrack) -> Mapping[str, Any]:
        raise OperationFailed("a hook said \udcff")

    with pytest.raises(OperationFailed):
        await engine_of(app).crew.carry_out(job, work)

    await job.refresh_from_db()
    assert (job.state, job.error_code) == ("failed", "internal")
