# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything at once: whatever the order that it happens in, one truth is left, for the service and for its host."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from hostler.hosts.models import Server
from hostler.jobs.models import Job
from hostler.machines.models import Machine
from hostler.settings import Settings
from lab.host import Host
from tests.service.faults.actions import assert_one_truth, settled
from tests.service.hostile.conftest import NODE
from tests.service.machines.lab_service import SMALL, create, domains, engine_of, eventually, volumes

pytestmark = [pytest.mark.anyio, pytest.mark.lab]


async def is_idle() -> bool:
    return not await Job.filter(state__in=["queued", "running"]).exists()


@pytest.fixture(params=["direct", pytest.param("playbook", marks=pytest.mark.slow)])
def settings(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    return settings.model_copy(update={"dispatch": {"vm_create": request.param, "vm_resize": request.param}})


@pytest.mark.rule("vm-names")
async def test_ten_identical_creates_make_one_vm(api: httpx.AsyncClient, server: Server, clean_host: Host) -> None:
    body = {"name": "wanted", "server_id": server.id, **SMALL, "cloud_init": {}}

    answers = await asyncio.gather(*(api.post("/api/vms", json=body) for _ in range(10)))

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9, [one.text for one in answers]
    for answer in answers:
        if answer.status_code == 409:
            assert answer.json()["detail"] == "A VM named 'wanted' already exists on host 'lab1'"
    (made,) = [answer.json() for answer in answers if answer.status_code == 201]
    assert domains(clean_host) == {"wanted"}
    start = f"wanted-{made['uuid'][:8]}-"
    assert len(volumes(clean_host)) == 2
    assert all(name.startswith(start) for name in volumes(clean_host))
    assert await Machine.all().values_list("id", flat=True) == [made["id"]]
    assert await Job.filter(state="succeeded").count() == 1
    await assert_one_truth(clean_host)


async def test_a_name_is_free_again_for_one_of_ten_once_its_vm_is_deleted(
    api: httpx.AsyncClient, server: Server, clean_host: Host
) -> None:
    vm = await create(api, server, "wanted")
    body = {"name": "wanted", "server_id": server.id, **SMALL}

    deleted, *answers = await asyncio.gather(
        api.delete(f"/api/vms/{vm['id']}"), *(api.post("/api/vms", json=body) for _ in range(9))
    )

    assert deleted.status_code == 200
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert [answer.status_code for answer in answers].count(201) <= 1
    await assert_one_truth(clean_host)


async def test_a_delete_while_the_vm_is_being_made_waits_for_its_turn_or_is_refused(
    api: httpx.AsyncClient, server: Server, clean_host: Host
) -> None:
    making = asyncio.create_task(api.post("/api/vms", json={"name": "early", "server_id": server.id, **SMALL}))

    async def is_shown() -> bool:
        return await Machine.filter(name="early").exists()

    await eventually(is_shown, "the VM has a row")
    row = await Machine.get(name="early")
    deleted = await api.delete(f"/api/vms/{row.id}")
    made = await making

    assert made.status_code == 201, made.text
    assert deleted.status_code in (200, 409)
    if deleted.status_code == 409:
        assert deleted.json()["code"] == "vm_busy"
        assert "create (job " in deleted.json()["detail"]
    assert (deleted.status_code == 200) == (domains(clean_host) == set())
    await assert_one_truth(clean_host)


@pytest.mark.parametrize("rounds", [1, pytest.param(6, marks=pytest.mark.slow)])
async def test_a_storm_of_everything_on_one_vm_leaves_one_truth(
    api: httpx.AsyncClient, server: Server, clean_host: Host, rounds: int
) -> None:
    vm = await create(api, server, "stormy")
    path = f"/api/vms/{vm['id']}"
    requests: list[tuple[str, str, Any]] = [
        *[("POST", f"{path}/start", None)] * 4,
        *[("POST", f"{path}/stop?timeout=1&force=true", None)] * 3,
        *[("POST", f"{path}/force-stop", None)] * 4,
        *[("POST", f"{path}/resize", {"memory_mb": size}) for size in (64, 80, 96)],
        *[("POST", f"/api/servers/{server.id}/refresh", None)] * 2,
        *[("GET", path, None)] * 4,
    ]
    for _ in range(rounds):
        random.shuffle(requests)
        answers = await asyncio.gather(*(api.request(method, url, json=body) for method, url, body in requests))

        # 400: a resize that found the VM running
        assert {answer.status_code for answer in answers} <= {200, 400, 409}, [answer.text for answer in answers]
        assert any(answer.status_code == 200 for answer in answers)
        await eventually(is_idle, "every job has ended")
        await settled(server)
        await assert_one_truth(clean_host)
        row = await Machine.get(id=vm["id"])
        assert f"{row.memory_mb * 1024} KiB" in clean_host.virsh("dominfo", "stormy")
        # each that was let in has a job of its own, and no two of them ran at once: the last number is their count
        assert row.generation == await Job.filter(vm_id=vm["id"]).count()

    gone = await asyncio.gather(*(api.delete(path) for _ in range(5)), api.post(f"{path}/start"))
    assert {answer.status_code for answer in gone} <= {200, 400, 404, 409}, [answer.text for answer in gone]
    if await Machine.filter(id=vm["id"]).exists():  # the start was first
        assert (await api.delete(path)).status_code == 200
    assert not await Machine.all().exists()
    await assert_one_truth(clean_host)


# libvirt's test driver lives in one process, and a playbook has another
@pytest.mark.parametrize("settings", ["direct"], indirect=True)
async def test_one_name_on_two_servers_is_two_vms(
    app: FastAPI, api: httpx.AsyncClient, server: Server, clean_host: Host, tmp_path: Path
) -> None:
    node = tmp_path / "node.xml"
    node.write_text(NODE)
    other = await Server.create(hostname="test1", libvirt_uri=f"test://{node}", virt_type="qemu")
    await engine_of(app).watch.call_roll()

    made = await asyncio.gather(
        *(api.post("/api/vms", json={"name": "twin", "server_id": one.id, **SMALL}) for one in (server, other))
    )

    assert [answer.status_code for answer in made] == [201, 201], [answer.text for answer in made]
    assert {answer.json()["server"]["hostname"] for answer in made} == {"lab1", "test1"}
    first, second = (answer.json() for answer in made)
    assert (await api.delete(f"/api/vms/{second['id']}")).status_code == 200
    assert domains(clean_host) == {"twin"}
    assert (await api.get(f"/api/vms/{first['id']}")).json()["status"] == "stopped"
