# SPDX-License-Identifier: GPL-3.0-or-later
"""``POST /api/vms/actions``: one action on many VMs, a job for each and one above them."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from hostler.events.models import Event
from hostler.hosts.models import Server
from hostler.jobs.models import Job
from lab.host import Host
from tests.service.conftest import Headers
from tests.service.machines.lab_service import create, domains, eventually

pytestmark = [pytest.mark.anyio, pytest.mark.lab, pytest.mark.rule("many")]

PATH = "/api/vms/actions"


@pytest.fixture
async def three(api: httpx.AsyncClient, server: Server, clean_host: Host) -> list[dict[str, Any]]:
    """Three VMs; the first has tags that the second has in part."""
    tags = {"one": ["web", "blue"], "two": ["web"], "three": []}
    return [await create(api, server, name, tags=tags[name]) for name in tags]


async def ended(api: httpx.AsyncClient, answer: httpx.Response) -> dict[str, Any]:
    """The job above the others, when it has ended."""
    assert answer.status_code == 202, answer.text
    path = answer.headers["Location"]

    async def has_ended() -> bool:
        return (await api.get(path)).json()["finished_at"] is not None

    await eventually(has_ended, "all is done", 60)
    return dict((await api.get(path)).json())


async def children(api: httpx.AsyncClient, parent: dict[str, Any]) -> list[dict[str, Any]]:
    return list((await api.get("/api/jobs", params={"parent_id": parent["id"]})).json()["items"])


async def test_an_action_is_done_on_all_that_a_filter_means(
    api: httpx.AsyncClient, three: list[dict[str, Any]], clean_host: Host
) -> None:
    answer = await api.post(PATH, json={"action": "start", "filter": {"tags": ["web"]}})
    parent = await ended(api, answer)

    assert (parent["action"], parent["state"], parent["progress"]) == ("vm_many", "succeeded", 100)
    assert parent["progress_text"] == "2 of 2 VMs done"
    assert parent["result"] == {"queued": 0, "running": 0, "succeeded": 2, "failed": 0, "canceled": 0}
    jobs = await children(api, parent)
    assert [(job["vm_name"], job["action"], job["state"]) for job in jobs] == [
        ("one", "vm_start", "succeeded"),
        ("two", "vm_start", "succeeded"),
    ]
    assert set(clean_host.virsh("list", "--name").split()) == {"one", "two"}
    kinds = await Event.filter(job_id=parent["id"]).order_by("id").values_list("kind", flat=True)
    assert kinds == ["job.created", "job.changed", "job.changed"]


async def test_what_can_be_done_with_one_can_be_done_with_many(
    api: httpx.AsyncClient, three: list[dict[str, Any]], clean_host: Host
) -> None:
    ids = [vm["id"] for vm in three]
    for body in (
        {"action": "resize", "resize": {"memory_mb": 96}},
        {"action": "update", "update": {"description": "all", "tags": ["new"]}},
        {"action": "start"},
        {"action": "reset"},
        {"action": "restart", "force": True},
        {"action": "stop", "timeout": 1, "force": True},
        {"action": "force-stop"},
    ):
        assert (await ended(api, await api.post(PATH, json={**body, "ids": ids})))["state"] == "succeeded", body
    for number in ids:
        vm = (await api.get(f"/api/vms/{number}")).json()
        assert (vm["resources"]["memory_mb"], vm["description"], vm["tags"]) == (96, "all", ["new"])
        assert vm["status"] == "stopped"

    gone = await ended(api, await api.post(PATH, json={"action": "delete", "filter": {"tags": ["new"]}}))

    assert gone["result"]["succeeded"] == 3
    assert domains(clean_host) == set()


async def test_no_more_are_at_work_than_may_be_and_the_others_are_done_after_a_failure(
    api: httpx.AsyncClient, three: list[dict[str, Any]], clean_host: Host
) -> None:
    ids = [vm["id"] for vm in three]
    await ended(api, await api.post(PATH, json={"action": "start", "ids": ids[:2]}))
    # the first two never hear of ACPI, and the third is off
    parent = await ended(api, await api.post(PATH, json={"action": "stop", "timeout": 1, "ids": ids, "at_once": 1}))

    jobs = await children(api, parent)
    assert [job["error"]["code"] if job["error"] else job["state"] for job in jobs] == [
        "guest_timeout",
        "guest_timeout",
        "succeeded",
    ]
    for earlier, later in zip(jobs, jobs[1:], strict=False):  # noqa: RUF007 - read as it is meant
        assert earlier["finished_at"] <= later["started_at"]
    assert (parent["state"], parent["error"]) == (
        "failed",
        {"code": "some_failed", "detail": "2 of 3 VMs failed, 0 were left out"},
    )


async def test_after_so_many_failures_no_more_is_begun(
    api: httpx.AsyncClient, three: list[dict[str, Any]], clean_host: Host
) -> None:
    body = {"action": "reset", "ids": [vm["id"] for vm in three], "at_once": 1, "stop_after": 1}

    parent = await ended(api, await api.post(PATH, json=body))

    jobs = await children(api, parent)
    assert [job["error"]["code"] for job in jobs] == ["wrong_state", *["stopped_after_failures"] * 2]
    assert [job["state"] for job in jobs] == ["failed", "canceled", "canceled"]
    assert parent["error"]["detail"] == "1 of 3 VMs failed, 2 were left out"


async def test_canceling_ends_those_that_wait_and_those_that_run(
    api: httpx.AsyncClient, three: list[dict[str, Any]], clean_host: Host
) -> None:
    ids = [vm["id"] for vm in three]
    await ended(api, await api.post(PATH, json={"action": "start", "ids": ids}))
    answer = await api.post(PATH, json={"action": "stop", "timeout": 600, "ids": ids, "at_once": 2})

    async def two_run() -> bool:
        return await Job.filter(parent_id=answer.json()["id"], state="running").count() == 2

    await eventually(two_run, "two are at work")
    await asyncio.sleep(0.5)
    assert await two_run()

    await api.post(f"/api/jobs/{answer.json()['id']}/cancel")
    parent = await ended(api, answer)

    assert (parent["state"], parent["error"]["code"]) == ("canceled", "canceled")
    assert {job["state"] for job in await children(api, parent)} == {"canceled"}
    assert (await api.post(f"/api/jobs/{parent['id']}/cancel")).json()["state"] == "canceled"
    assert len(clean_host.virsh("list", "--name").split()) == 3


async def test_jobs_of_several_requests_are_done_in_their_order(
    api: httpx.AsyncClient, three: list[dict[str, Any]], clean_host: Host
) -> None:
    ids = [vm["id"] for vm in three]
    answers = [
        await api.post(PATH, json={"action": action, "ids": ids})
        for action in ("start", "force-stop", "start", "force-stop", "start")
    ]

    for answer in answers:
        assert (await ended(api, answer))["state"] == "succeeded"
    assert len(clean_host.virsh("list", "--name").split()) == 3


@pytest.mark.rule("idempotency", "dry-run")
async def test_a_repetition_is_the_same_request_and_a_dry_run_none(
    api: httpx.AsyncClient, three: list[dict[str, Any]]
) -> None:
    body = {"action": "start", "filter": {"search": "o"}}
    dry = await api.post(f"{PATH}?dry_run=true", json=body, headers={"Idempotency-Key": "k"})
    assert dry.status_code == 200
    assert dry.json() == {
        "action": "start",
        "total": 2,
        "vms": [{"id": three[0]["id"], "name": "one", "status": "stopped"},
                {"id": three[1]["id"], "name": "two", "status": "stopped"}],
    }  # fmt: skip
    assert not await Job.filter(action="vm_many").exists()

    first, again = [await api.post(PATH, json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)]

    assert first.json()["id"] == again.json()["id"]
    other = await api.post(PATH, json={**body, "action": "reset"}, headers={"Idempotency-Key": "k"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert await Job.filter(action="vm_many").count() == 1
    await ended(api, first)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"action": "start"}, 422, "either by 'ids' or by 'filter'"),
        ({"action": "start", "ids": [1], "filter": {"status": "running"}}, 422, "either by 'ids' or by 'filter'"),
        ({"action": "start", "filter": {}}, 422, "name at least one criterion"),
        ({"action": "delete", "filter": {"search": ""}}, 422, "filter.search"),
        ({"action": "delete", "filter": {"os_type": ""}}, 422, "filter.os_type"),
        ({"action": "delete", "filter": {"tags": []}}, 422, "name at least one criterion"),
        ({"action": "start", "ids": []}, 422, "ids"),
        ({"action": "start", "ids": ["1"]}, 422, "ids"),
        ({"action": "explode", "ids": [1]}, 422, "action"),
        ({"action": "start", "ids": [1], "force": True}, 422, "'force' is nothing for start"),
        ({"action": "resize", "ids": [1]}, 422, "'resize' has to say what is to be different"),
        ({"action": "update", "ids": [1], "update": {"name": "x"}}, 422, "name"),
        ({"action": "resize", "ids": [1], "resize": {"cpu_cores": 0}}, 422, "cpu_cores"),
        ({"action": "start", "ids": [1], "at_once": 0}, 422, "at_once"),
        ({"action": "start", "ids": [1], "stop_after": 2**63}, 422, "stop_after"),
        ({"action": "start", "ids": [999, 998, 1]}, 400, "VMs with IDs 998, 999 not found"),
        ({"action": "start", "filter": {"search": "nobody"}}, 400, "It means no VM"),
    ],
)
async def test_what_can_not_be_is_refused_as_a_whole(
    api: httpx.AsyncClient, three: list[dict[str, Any]], body: dict[str, Any], status: int, said: str
) -> None:
    answer = await api.post(PATH, json=body)

    assert answer.status_code == status, answer.text
    assert said in answer.json()["detail"]
    assert not await Job.filter(action="vm_many").exists()


async def test_who_may_only_read_may_not(client: httpx.AsyncClient, read_headers: Headers) -> None:
    assert (await client.post(PATH, json={}, headers=read_headers)).status_code == 403
    assert (await client.post(PATH, json={})).status_code == 401
