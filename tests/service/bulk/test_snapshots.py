# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of many VMs: each is taken, named by its time, and called taken by whoever finds it after a crash."""

from __future__ import annotations

import asyncio
import re
import threading
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from hostler.hosts.connection import Lane
from hostler.hosts.models import Server
from hostler.jobs.models import Job
from hostler.machines.recovery import recover
from hostler.machines.snapshot_name import name_of
from lab.host import Host
from tests.service.bulk.test_routes import PATH, children, ended
from tests.service.machines.lab_service import create, engine_of, eventually

pytestmark = [pytest.mark.anyio, pytest.mark.lab, pytest.mark.rule("many-snapshots")]


@pytest.fixture
async def two(api: httpx.AsyncClient, server: Server, clean_host: Host) -> list[dict[str, Any]]:
    """Two VMs, of which the second runs."""
    return [await create(api, server, "off"), await create(api, server, "on", start=True)]


def snapshots(host: Host, name: str) -> list[str]:
    return host.virsh("snapshot-list", name, "--name").split()


async def test_a_snapshot_of_each_is_taken_with_the_memory_of_those_that_run(
    api: httpx.AsyncClient, two: list[dict[str, Any]], clean_host: Host
) -> None:
    body = {"action": "snapshot", "snapshot": {"name": "before", "description": "the upgrade"}}
    parent = await ended(api, await api.post(PATH, json={**body, "ids": [vm["id"] for vm in two]}))

    assert parent["state"] == "succeeded"
    for job, memory in zip(await children(api, parent), (False, True), strict=True):
        (name,) = snapshots(clean_host, job["vm_name"])
        assert re.fullmatch(r"before-\d{8}T\d{6}\.\d{3}Z", name)
        taken = job["result"]["snapshot"]
        assert (job["action"], job["executor"], job["result"]["changed"]) == ("vm_snapshot", "direct", True)
        assert (taken["name"], taken["memory"], taken["external"]) == (name, memory, False)
        assert (taken["description"], taken["series"], job["result"]["removed"]) == ("the upgrade", None, [])
        steps = (await api.get(f"/api/jobs/{job['id']}")).json()["steps"]
        assert [(step["name"], step["state"]) for step in steps] == [
            (f"Take snapshot '{name}' of VM '{job['vm_name']}'", "succeeded")
        ]


async def test_one_right_after_another_is_another(
    api: httpx.AsyncClient, two: list[dict[str, Any]], clean_host: Host
) -> None:
    answers = [await api.post(PATH, json={"action": "snapshot", "ids": [two[0]["id"]]}) for _ in range(3)]

    for answer in answers:
        assert (await ended(api, answer))["state"] == "succeeded"
    names = snapshots(clean_host, "off")
    assert len(names) == 3
    assert all(name.startswith("snapshot-") for name in names)


async def test_what_can_not_be_taken_says_why(api: httpx.AsyncClient, two: list[dict[str, Any]]) -> None:
    asked = {"external": True, "quiesce": True}
    answer = await api.post(PATH, json={"action": "snapshot", "snapshot": asked, "ids": [vm["id"] for vm in two]})

    off, on = await children(api, await ended(api, answer))
    assert off["error"] == {
        "code": "wrong_state",
        "detail": "VM is stopped: its guest can't freeze its file systems",
    }
    assert on["error"]["code"] == "agent_unavailable"


@pytest.mark.parametrize(
    ("snapshot", "said"),
    [
        ({"name": "-x"}, "snapshot.name"),
        ({"name": "x" * 41}, "snapshot.name"),
        ({"name": "a/b"}, "snapshot.name"),
        ({"quiesce": True}, "'snapshot.quiesce': it goes with a snapshot that is external"),
        ({"series": "mine"}, "snapshot.series"),
        ({"keep": 1}, "snapshot.keep"),
    ],
)
async def test_what_can_not_be_is_refused(
    api: httpx.AsyncClient, server: Server, snapshot: dict[str, Any], said: str
) -> None:
    answer = await api.post(PATH, json={"action": "snapshot", "snapshot": snapshot, "filter": {"search": "o"}})

    assert answer.status_code == 422
    assert said in answer.json()["detail"]


async def test_one_that_was_taken_when_its_service_was_killed_is_called_taken(
    app: FastAPI, api: httpx.AsyncClient, server: Server, two: list[dict[str, Any]], clean_host: Host
) -> None:
    async def cut_off() -> Job:
        return await Job.create(
            action="vm_snapshot",
            executor="direct",
            state="running",
            vm_id=two[0]["id"],
            vm_uuid=two[0]["uuid"],
            vm_name="off",
            server_id=server.id,
            parameters={"name": "nightly"},
            started_at=datetime.now(UTC),
            lease_owner="a process that was killed",
        )

    taken = await cut_off()
    clean_host.virsh("snapshot-create-as", "off", name_of(await Job.get(id=taken.id)))
    await recover(server, engine_of(app).host(server))
    not_taken = await cut_off()
    await recover(server, engine_of(app).host(server))

    await taken.refresh_from_db()
    await not_taken.refresh_from_db()
    assert (taken.state, taken.result) == ("succeeded", {"recovered": True})
    assert (not_taken.state, not_taken.error_code) == ("failed", "cut_off")
    assert len(snapshots(clean_host, "off")) == 1


async def test_snapshots_that_take_long_hold_up_no_other_vm_of_their_host(
    app: FastAPI, api: httpx.AsyncClient, server: Server, two: list[dict[str, Any]]
) -> None:
    host, off, on = engine_of(app).host(server), *two
    long = threading.Event()
    snapshots = [asyncio.create_task(host.call(lambda _: long.wait(30), lane=Lane.SLOW)) for _ in range(4)]
    try:
        accepted = await api.post(PATH, json={"action": "snapshot", "ids": [on["id"]]})
        assert (await api.post(f"/api/vms/{off['id']}/start")).status_code == 200

        async def is_at_work() -> bool:
            return [job["state"] for job in await children(api, accepted.json())] == ["running"]

        await eventually(is_at_work, "the snapshot waits for its turn")
    finally:
        long.set()
        await asyncio.gather(*snapshots)
    assert (await ended(api, accepted))["state"] == "succeeded"
