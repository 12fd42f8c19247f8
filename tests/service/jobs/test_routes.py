# SPDX-License-Identifier: GPL-3.0-or-later
"""``/api/jobs``: one row for every write, with its steps, its log and its outcome."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import pytest

from hostler.hosts.models import Server
from hostler.jobs.ledger import close_job
from hostler.jobs.models import Job, JobLog, JobState, JobStep
from hostler.settings import Settings
from tests.service.conftest import Headers
from tests.service.machines.lab_service import create

pytestmark = pytest.mark.anyio

SHOWN = {
    "id",
    "action",
    "executor",
    "external_id",
    "state",
    "progress",
    "progress_text",
    "actor",
    "vm_id",
    "vm_uuid",
    "vm_name",
    "server_id",
    "parameters",
    "result",
    "error",
    "supersedes_id",
    "parent_id",
    "request_id",
    "cancel_requested_at",
    "created_at",
    "started_at",
    "finished_at",
}


async def job(**fields: Any) -> Job:
    known: dict[str, Any] = {
        "action": "vm_start",
        "executor": "direct",
        "state": "succeeded",
        "vm_id": 1,
        "server_id": 1,
    }
    return await Job.create(**{**known, **fields})


async def listed(api: httpx.AsyncClient, **query: Any) -> list[int]:
    answer = await api.get("/api/jobs", params=query)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


async def test_jobs_are_listed_by_page_and_filtered(api: httpx.AsyncClient) -> None:
    for number in range(1, 6):
        state = "failed" if number == 3 else "succeeded"
        asked = {"action": "vm_stop", "actor_name": "ada"} if number > 3 else {}
        await job(vm_id=number % 2 + 1, server_id=number, state=state, **asked)

    answer = (await api.get("/api/jobs", params={"per_page": 2, "page": 2})).json()

    assert [item["id"] for item in answer["items"]] == [3, 4]
    assert {name: answer[name] for name in answer if name != "items"} == {
        "total": 5,
        "page": 2,
        "per_page": 2,
        "total_pages": 3,
    }
    assert await listed(api, state="failed") == [3]
    assert await listed(api, vm_id=1) == [2, 4]
    assert await listed(api, server_id=5) == [5]
    assert await listed(api, action="vm_stop") == [4, 5]
    assert await listed(api, actor="ada", vm_id=2) == [5]
    assert await listed(api, state="queued") == []
    assert await listed(api, page=9) == []


async def test_a_parameter_that_makes_no_sense_is_named(api: httpx.AsyncClient) -> None:
    for parameter, value in (
        ("state", "done"),
        ("vm_id", "0"),
        ("vm_id", str(2**63)),
        ("server_id", "x"),
        ("per_page", "101"),
        ("page", "0"),
    ):
        answer = await api.get("/api/jobs", params={parameter: value})

        assert answer.status_code == 422, (parameter, value)
        assert [error["field"] for error in answer.json()["errors"]] == [parameter]


async def test_whoever_waits_for_a_job_is_answered_as_soon_as_it_has_ended(api: httpx.AsyncClient) -> None:
    there = await job(state="running", action="vm_rest", finished_at=None)
    began = time.monotonic()

    early = await api.get(f"/api/jobs/{there.id}?wait=1")
    waiting = asyncio.create_task(api.get(f"/api/jobs/{there.id}?wait=60"))
    await asyncio.sleep(0.5)
    assert not waiting.done()
    assert await close_job(there, JobState.SUCCEEDED, result={"changed": True})
    late = await waiting

    assert (early.json()["state"], late.json()["state"]) == ("running", "succeeded")
    assert 1 <= time.monotonic() - began < 60
    assert (await api.get(f"/api/jobs/{there.id}?wait=60")).json()["result"] == {"changed": True}
    assert (await api.get(f"/api/jobs/{there.id}?wait=61")).status_code == 422
    assert (await api.get("/api/jobs/999?wait=60")).status_code == 404


async def test_an_unknown_job_is_404(api: httpx.AsyncClient) -> None:
    answer = await api.get("/api/jobs/999")

    assert (answer.status_code, answer.json()["detail"]) == (404, "Job with ID 999 not found")
    for nonsense in ("0", "-1", "x", str(2**64)):
        assert (await api.get(f"/api/jobs/{nonsense}")).status_code == 422


@pytest.mark.rule("jobs")
async def test_a_job_is_shown_with_its_steps_and_the_end_of_its_log(api: httpx.AsyncClient) -> None:
    failed = await job(
        state="failed", error_code="operation_failed", error_detail="It failed", plan={"steps": []}, actor_name="ada"
    )
    other = await job()
    for number in (1, 0):
        await JobStep.create(job_id=failed.id, position=number, name=f"step {number}", state="succeeded", changed=True)
    await JobStep.create(job_id=other.id, position=0, name="another's", state="succeeded")
    at = failed.created_at
    await JobLog.bulk_create(
        [JobLog(job_id=failed.id, at=at, stream="stdout", line=f"line {number}") for number in range(1100)]
    )

    shown = (await api.get(f"/api/jobs/{failed.id}")).json()

    assert set(shown) == SHOWN | {"plan", "placement", "steps", "log"}
    assert shown["error"] == {"code": "operation_failed", "detail": "It failed"}
    assert (shown["actor"], shown["plan"], shown["result"]) == ("ada", {"steps": []}, None)
    assert [step["name"] for step in shown["steps"]] == ["step 0", "step 1"]
    assert set(shown["steps"][0]) == {
        "position",
        "name",
        "state",
        "progress",
        "changed",
        "detail",
        "started_at",
        "finished_at",
    }
    assert [line["line"] for line in shown["log"]] == [f"line {number}" for number in range(100, 1100)]
    assert shown["created_at"].endswith("Z")
    (in_list, _) = (await api.get("/api/jobs")).json()["items"]
    assert set(in_list) == SHOWN


@pytest.mark.lab
@pytest.mark.rule("jobs")
async def test_every_write_is_one_job_with_its_steps_and_its_outcome(
    api: httpx.AsyncClient, server: Server, write_headers: Headers
) -> None:
    vm = await create(api, server, "watched", description="for a reason")
    path = f"/api/vms/{vm['id']}"
    await api.post(f"{path}/start", headers={"X-Request-ID": "my-own-id"})
    await api.post(f"{path}/stop", params={"timeout": 1, "force": "true"})
    await api.post(f"{path}/resize", json={"memory_mb": 96})
    await api.post(f"{path}/force-stop")
    await api.delete(path)

    jobs = [(await api.get(f"/api/jobs/{number}")).json() for number in await listed(api)]

    assert [job["action"] for job in jobs] == [
        "vm_create",
        "vm_start",
        "vm_stop",
        "vm_resize",
        "vm_force_stop",
        "vm_delete",
    ]
    for one in jobs:
        assert (one["state"], one["progress"], one["error"]) == ("succeeded", 100, None)
        assert (one["actor"], one["executor"]) == ("writer", "direct")
        assert (one["vm_id"], one["vm_uuid"], one["vm_name"]) == (vm["id"], vm["uuid"], "watched")
        assert one["server_id"] == server.id
        assert one["created_at"] <= one["started_at"] or one["started_at"] <= one["finished_at"]
        assert one["steps"]
        assert {step["state"] for step in one["steps"]} <= {"succeeded", "failed"}
    made, started, stopped, resized, forced, deleted = jobs
    assert made["parameters"]["description"] == "for a reason"
    assert made["plan"]["steps"][0] == {"title": "Define VM 'watched'", "applies": "now"}
    assert made["result"] == {"vm": vm}  # as it was answered
    assert [step["name"] for step in made["steps"]] == [step["title"] for step in made["plan"]["steps"]]
    assert started["request_id"] == "my-own-id"
    assert stopped["parameters"] == {"timeout": 1, "force": True}
    assert [step["name"] for step in stopped["steps"]] == [
        "Ask the guest to power off",
        "Wait up to 1 s for the guest",
        "Pull the VM's plug",
    ]
    assert resized["plan"]["after"] == {"memory_mb": 96}
    assert forced["result"] == {"changed": False}
    assert deleted["plan"]["after"] == {"state": "absent"}
    assert len(deleted["result"]["deleted_disks"]) == 1


@pytest.mark.lab
async def test_what_is_refused_before_it_begins_is_no_job(api: httpx.AsyncClient, server: Server) -> None:
    vm = await create(api, server, "busy", start=True, protected=True)
    path = f"/api/vms/{vm['id']}"

    assert (await api.post(f"{path}/resize", json={"memory_mb": 96})).status_code == 400
    assert (await api.delete(path)).status_code == 400
    assert (await api.post("/api/vms", json={"name": "busy"})).status_code == 422

    assert await Job.all().count() == 1


class TestPlaybook:
    """The same, where a playbook does the work."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"dispatch": {}})

    @pytest.mark.lab
    async def test_a_playbooks_tasks_are_the_jobs_steps_and_what_it_prints_its_log(
        self, api: httpx.AsyncClient, server: Server
    ) -> None:
        vm = await create(api, server, "played")
        await api.post(f"/api/vms/{vm['id']}/resize", json={"memory_mb": 96})

        made, resized = [(await api.get(f"/api/jobs/{number}")).json() for number in (1, 2)]

        for one, title in ((made, "Create the VM"), (resized, "Resize the VM")):
            assert (one["executor"], one["state"], one["progress"]) == ("playbook", "succeeded", 100)
            steps = {step["name"]: step for step in one["steps"]}
            assert (steps[title]["state"], steps[title]["changed"]) == ("succeeded", True)
            assert {step["state"] for step in one["steps"]} <= {"succeeded", "skipped"}
            assert [step["position"] for step in one["steps"]] == list(range(len(one["steps"])))
            assert f"TASK [{title}]" in "\n".join(line["line"] for line in one["log"])
            assert all(step["finished_at"] is not None for step in one["steps"])
        assert (await api.get(f"/api/vms/{vm['id']}")).json()["resources"]["memory_mb"] == 96
