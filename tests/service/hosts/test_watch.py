# SPDX-License-Identifier: GPL-3.0-or-later
"""The watch over the hosts: it notices what happens there, and nothing that happens ends it."""

from __future__ import annotations

import asyncio
import signal
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostUnreachable
from hostler.hosts.connection import HostConnections
from hostler.hosts.models import Server
from hostler.hosts.rereading import Clock
from hostler.hosts.watch import HostWatch
from hostler.machines.address_watch import AddressWatch
from hostler.machines.models import Machine
from lab.host import Host
from tests.service.machines.lab_service import create, engine_of, eventually

pytestmark = [pytest.mark.anyio, pytest.mark.lab]


def define(
    host: Host, folder: Path, name: str, memory_kib: int = 65536, metadata: str = "", run: str = "define"
) -> str:
    """Define a domain as others would, by virsh, or ``create`` a transient one; returns its UUID."""
    identity = str(uuid.uuid4())
    file = folder / "domain.xml"
    file.write_text(
        f"<domain type='qemu'><name>{name}</name><uuid>{identity}</uuid>"
        f"<metadata>{metadata.format(uuid=identity)}</metadata><memory>{memory_kib}</memory>"
        "<os><type arch='x86_64' machine='q35'>hvm</type></os></domain>"
    )
    host.virsh(run, file)
    return identity


async def appears(name: str, timeout: float = 10) -> Machine:
    async def is_there() -> bool:
        return await Machine.filter(name=name).exists()

    await eventually(is_there, f"{name} appears", timeout)
    return await Machine.get(name=name)


async def has_status(vm_id: int, status: str, timeout: float = 60) -> None:
    async def has() -> bool:
        return await Machine.filter(id=vm_id, status=status).exists()

    await eventually(has, f"VM {vm_id} is {status}", timeout)


async def test_a_watch_ends_when_it_is_told_to_also_while_something_happens(server: Server) -> None:
    for turns in range(5):  # through every state between an event and its being noticed
        connections = HostConnections(threads=1)
        watch = HostWatch(connections, Clock(30, 600))
        await watch.start()
        task = watch._lookouts[server.id].task
        await asyncio.sleep(0.3)  # to where it waits for something to happen

        watch.look_at(server.id, str(uuid.uuid4()))
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await watch.close()

        assert task.done()
        connections.close()


async def test_a_watch_ends_also_if_one_of_its_tasks_fails_as_it_is_canceled(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = asyncio.Event()

    async def fail_at_the_end(_addresses: AddressWatch) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise HostUnreachable("It was given up") from None

    monkeypatch.setattr(AddressWatch, "run", fail_at_the_end)
    connections = HostConnections(threads=1)
    watch = HostWatch(connections, Clock(30, 600))
    await watch.start()
    await began.wait()

    async with asyncio.timeout(10):
        await watch.close()

    connections.close()


async def test_what_happens_while_libvirtd_restarts_quickly_is_noticed(
    app: FastAPI, api: httpx.AsyncClient, server: Server, clean_host: Host
) -> None:
    vm = await create(api, server, "a")
    # without a chance for the service to notice: it finds the connection lost, and a daemon that answers
    clean_host.kill_libvirtd()
    clean_host.start_libvirtd()
    await api.post(f"/api/vms/{vm['id']}/start")

    for _ in range(2):
        clean_host.virsh("destroy", "a")
        await has_status(vm["id"], "stopped")
        clean_host.virsh("start", "a")
        await has_status(vm["id"], "running")


async def test_a_domain_that_makes_no_sense_stops_nobody_from_being_watched(
    app: FastAPI, server: Server, clean_host: Host, tmp_path: Path
) -> None:
    long = "x" * 100_000
    record = (
        "<h:vm xmlns:h='urn:hostler:vm:1' version='1'><h:id>99999999999999999999</h:id><h:uuid>{uuid}</h:uuid>"
        f"<h:osType>{long}</h:osType><h:osVersion>{long}</h:osVersion><h:description>{long}</h:description>"
        f"<h:tag>{long}</h:tag><h:owner>{long}</h:owner><h:revision>{10**30}</h:revision></h:vm>"
    )
    define(clean_host, tmp_path, "monster", metadata=record)
    monster = await appears("monster")
    assert monster.os_type is not None
    assert set(monster.os_type) == {"x"}

    define(clean_host, tmp_path, "giant", memory_kib=2**50)
    define(clean_host, tmp_path, "y" * 200)
    define(clean_host, tmp_path, "plain")
    await appears("plain")
    await appears("y" * 200)
    await appears("giant")
    clean_host.virsh("undefine", "plain")
    await has_status((await Machine.get(name="plain")).id, "error")


@pytest.mark.parametrize("is_taken", [False, True], ids=["no number", "another's number"])
async def test_a_transient_domain_of_ours_has_its_number_and_stops_nobody_from_being_watched(
    app: FastAPI, api: httpx.AsyncClient, server: Server, clean_host: Host, tmp_path: Path, is_taken: bool
) -> None:
    other = await create(api, server, "other")
    number = f"<h:id>{other['id']}</h:id>" if is_taken else ""
    record = (
        f"<h:vm xmlns:h='urn:hostler:vm:1' version='1'>{number}<h:uuid>{{uuid}}</h:uuid>"
        "<h:created>2024-05-06T07:08:09Z</h:created></h:vm>"
    )
    identity = define(clean_host, tmp_path, "fleeting", metadata=record, run="create")

    fleeting = await appears("fleeting")

    async def says_its_number() -> bool:
        return f">{fleeting.id}<" in clean_host.virsh("metadata", identity, "urn:hostler:vm:1")

    await eventually(says_its_number, "the domain says its number")
    define(clean_host, tmp_path, "plain")
    await appears("plain")
    assert [lookout._failures for lookout in engine_of(app).watch._lookouts.values()] == [0]


async def test_a_watch_that_failed_once_goes_on_with_all_it_listens_to(
    app: FastAPI, server: Server, clean_host: Host, tmp_path: Path
) -> None:
    (watch,) = engine_of(app).watch._lookouts.values()
    database = app.state.database.connection

    async def has_failed() -> bool:
        return watch._failures > 0

    await database.execute_script("ALTER TABLE vm RENAME TO vm_elsewhere")
    define(clean_host, tmp_path, "first")
    await eventually(has_failed, "the watch finds its table gone")
    await database.execute_script("ALTER TABLE vm_elsewhere RENAME TO vm")
    await appears("first")
    define(clean_host, tmp_path, "second")

    await appears("second")
    define(clean_host, tmp_path, "third")
    await appears("third")


@pytest.mark.rule("vm-status")
async def test_a_server_that_is_disabled_is_not_known_any_more_and_enabled_again_it_is_watched_again(
    app: FastAPI, server: Server, clean_host: Host, tmp_path: Path
) -> None:
    watch = engine_of(app).watch
    define(clean_host, tmp_path, "early")
    await appears("early")
    early = await Machine.get(name="early")
    await Server.filter(id=server.id).update(enabled=False)
    await watch.call_roll()
    await has_status(early.id, "unknown")
    await server.refresh_from_db()
    assert (server.state, server.state_reason) == ("unknown", "The server is disabled")
    define(clean_host, tmp_path, "unseen")
    await Server.filter(id=server.id).update(enabled=True)
    await watch.call_roll()
    await appears("unseen")
    await has_status(early.id, "stopped")

    define(clean_host, tmp_path, "seen")
    await appears("seen")


@pytest.mark.rule("vm-status")
async def test_a_killed_libvirtd_makes_vms_unknown_and_its_return_makes_them_true(
    app: FastAPI, api: httpx.AsyncClient, server: Server, clean_host: Host
) -> None:
    on, off = await create(api, server, "on", start=True), await create(api, server, "off")

    clean_host.kill_libvirtd()
    try:
        await has_status(on["id"], "unknown")
        await has_status(off["id"], "unknown")
        shown = (await api.get(f"/api/servers/{server.id}")).json()
        assert (shown["state"], shown["state_reason"]) == ("unreachable", "Host 'lab1' is unreachable")
        assert [vm["name"] for vm in (await api.get("/api/vms?status=unknown")).json()["vms"]] == ["on", "off"]
        for answer in (
            await api.post(f"/api/vms/{off['id']}/start"),
            await api.post(f"/api/vms/{on['id']}/stop"),
            await api.post(f"/api/vms/{on['id']}/force-stop"),
            await api.post(f"/api/vms/{off['id']}/resize", json={"memory_mb": 96}),
            await api.delete(f"/api/vms/{off['id']}"),
            await api.post(f"/api/servers/{server.id}/refresh"),
        ):
            assert answer.status_code == 503, answer.text
            assert answer.json()["detail"] == "Host 'lab1' is unreachable"
    finally:
        clean_host.start_libvirtd()

    await has_status(on["id"], "running")
    await has_status(off["id"], "stopped")
    assert (await api.get(f"/api/servers/{server.id}")).json()["state"] == "reachable"
    assert (await api.post(f"/api/vms/{off['id']}/start")).status_code == 200


async def test_a_killed_qemu_shows(app: FastAPI, api: httpx.AsyncClient, server: Server, clean_host: Host) -> None:
    vm: dict[str, Any] = await create(api, server, "victim", start=True)

    clean_host.guest_process("victim").signal(signal.SIGKILL)

    async def is_off() -> bool:
        shown = (await api.get(f"/api/vms/{vm['id']}")).json()
        return shown["status"] in ("crashed", "stopped") and shown["vnc_port"] is None

    await eventually(is_off, "the end of QEMU shows", 60)
    assert (await api.post(f"/api/vms/{vm['id']}/start")).json()["details"]["changed"] is True


@pytest.mark.slow  # where KVM hangs, the guest that tries it is given ten seconds
async def test_the_guest_that_tries_the_accelerator_is_no_vm_of_anybody(
    app: FastAPI, api: httpx.AsyncClient, server: Server, clean_host: Host
) -> None:
    await Server.filter(id=server.id).update(virt_type="auto", virt_type_found=None)
    making = asyncio.create_task(create(api, server, "first"))
    while not making.done():
        shown = (await api.get("/api/vms")).json()["vms"]
        assert {vm["name"] for vm in shown} <= {"first"}
        await asyncio.sleep(0.1)

    assert (await making)["name"] == "first"
    assert await Machine.all().count() == 1
