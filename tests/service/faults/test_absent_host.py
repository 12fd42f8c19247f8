# SPDX-License-Identifier: GPL-3.0-or-later
"""A host whose libvirtd is gone, or hangs, before anything is asked of it: it is named, and nobody else has to wait."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from hostler.hosts.models import Server
from hostler.jobs.models import Job
from lab.host import Host
from tests.service.faults.actions import ACTIONS, SEEDED, assert_one_truth, settled
from tests.service.hostile.conftest import NODE
from tests.service.machines.lab_service import SMALL, create, engine_of, eventually, registered

pytestmark = [pytest.mark.anyio, pytest.mark.lab, pytest.mark.slow]


@pytest.fixture
async def server(app: FastAPI, clean_host: Host) -> Server:
    """The lab's host, reached and watched, with no gate between."""
    return await registered(app, clean_host)


@pytest.fixture
async def vms(api: httpx.AsyncClient, server: Server) -> dict[bool, dict[str, Any]]:
    """A VM that runs, and one that does not."""
    on = await create(api, server, "on", **SEEDED, start=True, max_cpu_cores=4)
    return {True: on, False: await create(api, server, "off")}


@pytest.fixture
async def other(app: FastAPI, tmp_path: Path) -> Server:
    """Another host, to which nothing happens."""
    node = tmp_path / "node.xml"
    node.write_text(NODE)
    server = await Server.create(hostname="other", libvirt_uri=f"test://{node}", virt_type="qemu")
    await engine_of(app).watch.call_roll()
    return server


async def ask_everything(
    api: httpx.AsyncClient, server: Server, vms: dict[bool, dict[str, Any]]
) -> dict[str, httpx.Response]:
    """Ask for every action, each while the others wait."""
    subjects = {
        name: {"server_id": server.id} if action.vm is None else vms[bool(action.vm.get("start"))]
        for name, action in ACTIONS.items()
    }
    answers = await asyncio.gather(*(ACTIONS[name].ask(api, vm) for name, vm in subjects.items()))
    return dict(zip(subjects, answers, strict=True))


async def assert_all_refused(api: httpx.AsyncClient, server: Server, vms: dict[bool, dict[str, Any]]) -> None:
    for name, answer in (await ask_everything(api, server, vms)).items():
        if answer.status_code == 409:  # another of these requests had the VM just then
            # a stop gives way to a force-stop
            codes = ("vm_busy", "superseded") if name == "stop" else ("vm_busy",)
            assert answer.json()["code"] in codes, f"{name}: {answer.text}"
            continue
        assert answer.status_code == 503, f"{name}: {answer.status_code} {answer.text}"
        assert answer.json()["detail"] == "Host 'lab1' is unreachable", f"{name}: {answer.text}"


async def assert_all_as_before(api: httpx.AsyncClient, server: Server, vms: dict[bool, dict[str, Any]]) -> None:
    await settled(server)
    for vm in vms.values():
        shown = (await api.get(f"/api/vms/{vm['id']}")).json()
        changing = {"updated_at", "status"}
        assert {key: shown[key] for key in shown.keys() - changing} == {key: vm[key] for key in vm.keys() - changing}
    assert (await api.get("/api/vms")).json()["total"] == len(vms)
    assert not await Job.filter(state__in=["queued", "running"]).exists()


async def is_unreachable(api: httpx.AsyncClient, server: Server) -> bool:
    return bool((await api.get(f"/api/servers/{server.id}")).json()["state"] == "unreachable")


async def test_a_libvirtd_that_was_killed_is_503_for_every_action_and_named(
    api: httpx.AsyncClient, server: Server, vms: dict[bool, dict[str, Any]], other: Server, clean_host: Host
) -> None:
    clean_host.kill_libvirtd()
    try:
        await assert_all_refused(api, server, vms)
        await eventually(lambda: is_unreachable(api, server), "the host is shown as unreachable")
        for vm in vms.values():
            assert (await api.get(f"/api/vms/{vm['id']}")).json()["status"] == "unknown"
        assert (await api.post("/api/vms", json={"name": "x", "server_id": other.id, **SMALL})).status_code == 201
    finally:
        await asyncio.to_thread(clean_host.start_libvirtd)

    assert (await api.delete("/api/vms/3")).status_code in (200, 404)
    for row in (await api.get("/api/vms", params={"server_id": other.id})).json()["vms"]:
        assert (await api.delete(f"/api/vms/{row['id']}")).status_code == 200
    await assert_all_as_before(api, server, vms)
    await assert_one_truth(clean_host)


async def test_what_is_asked_of_a_vm_on_a_host_that_is_away_leaves_it_unknown(
    api: httpx.AsyncClient, server: Server, vms: dict[bool, dict[str, Any]], clean_host: Host
) -> None:
    path = f"/api/vms/{vms[True]['id']}"
    clean_host.kill_libvirtd()
    try:
        await eventually(lambda: is_unreachable(api, server), "the host is shown as unreachable")
        seen = (await api.get(path)).json()["last_seen"]
        for verb in ("start", "stop", "stop?force=true&timeout=1", "restart", "force-stop", "reset"):
            answer = await api.post(f"{path}/{verb}")
            assert (answer.status_code, answer.json()["code"]) == (503, "host_unreachable"), verb
            shown = (await api.get(path)).json()
            assert (shown["status"], shown["last_seen"]) == ("unknown", seen), verb
    finally:
        await asyncio.to_thread(clean_host.start_libvirtd)

    await assert_all_as_before(api, server, vms)
    await assert_one_truth(clean_host)


async def test_a_libvirtd_that_hangs_is_503_for_every_action_and_keeps_no_other_host_waiting(
    api: httpx.AsyncClient, server: Server, vms: dict[bool, dict[str, Any]], other: Server, clean_host: Host
) -> None:
    mine = await api.post("/api/vms", json={"name": "mine", "server_id": other.id, **SMALL})
    path = f"/api/vms/{mine.json()['id']}"
    clean_host.pause_libvirtd()
    try:
        asking = asyncio.create_task(assert_all_refused(api, server, vms))
        await asyncio.sleep(0.2)
        for verb in ("start", "force-stop"):
            assert (await api.post(f"{path}/{verb}")).status_code == 200
        assert (await api.get("/api/vms")).json()["total"] == 3
        assert (await api.get(f"/api/servers/{server.id}")).status_code == 200
        assert not asking.done(), "the other host was quicker than the patience with this one"
        async with asyncio.timeout(120):
            await asking
    finally:
        clean_host.continue_libvirtd()

    assert (await api.delete(path)).status_code == 200
    await settled(server)
    await assert_one_truth(clean_host)
