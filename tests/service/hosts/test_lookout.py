# SPDX-License-Identifier: GPL-3.0-or-later
"""The watch of one host: what happens there shows, whoever did it, and nobody who hangs is waited for."""

from __future__ import annotations

import asyncio
import itertools
import signal
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from hostler.database import rows, version_now
from hostler.events.models import Event
from hostler.hosts.models import Server
from hostler.hosts.rereading import Clock
from hostler.machines.models import Machine
from hostler.settings import Settings
from lab.host import Host
from tests.core.actions.guests import swept
from tests.service.hosts.test_watch import appears, define, has_status
from tests.service.machines.lab_service import create, engine_of, eventually, registered

pytestmark = [pytest.mark.anyio, pytest.mark.lab]

RUNNING = """<domain type='{type}'><name>{name}</name><uuid>{uuid}</uuid><memory unit='MiB'>32</memory>
<os><type arch='x86_64' machine='q35'>hvm</type></os><devices>{devices}</devices></domain>"""


@pytest.fixture
def there(lab_hosts: list[Host]) -> Iterator[Host]:
    """A second host, of which nothing is left after the test."""
    with swept(lab_hosts[1].uri):
        yield lab_hosts[1]


@pytest.fixture
async def other(app: FastAPI, there: Host) -> AsyncIterator[Server]:
    """The second host as a server."""
    yield await registered(app, there, "lab2")


def defined(host: Host, name: str, devices: str = "") -> str:
    """Define a domain that can run, as others would; returns its UUID."""
    identity = str(uuid.uuid4())
    with Hypervisor.open(host.uri) as hypervisor:
        hypervisor.handle.defineXML(RUNNING.format(type=host.virt_type, name=name, uuid=identity, devices=devices))
    return identity


async def events_of(vm_id: int) -> list[tuple[str, object]]:
    """Each event of the VM: its kind, and the status that it shows."""
    found = await Event.filter(vm_id=vm_id, kind__startswith="vm.").order_by("id")
    return [(event.kind, event.data["status"]) for event in found]


@pytest.mark.rule("vm-seen")
async def test_each_change_by_others_shows_once_and_in_its_order(
    app: FastAPI, server: Server, clean_host: Host
) -> None:
    defined(clean_host, "busy")
    vm = await appears("busy")
    for verb, status in (
        ("start --paused", "paused"),
        ("resume", "running"),
        ("suspend", "paused"),
        ("destroy", "stopped"),
    ):
        command, *flags = verb.split()
        clean_host.virsh(command, "busy", *flags)
        await has_status(vm.id, status)

    shown = await events_of(vm.id)

    assert [kind for kind, _ in shown] == ["vm.created"] + ["vm.changed"] * (len(shown) - 1)
    # a start may be seen half-way; no state is told twice
    statuses = [status for _, status in shown]
    assert [status for status in statuses if status != "running"] == ["stopped", "paused", "paused", "stopped"]
    assert all(one != following for one, following in itertools.pairwise(statuses))


async def test_what_happens_to_a_vm_while_a_job_is_at_work_on_it_shows(
    app: FastAPI, api: httpx.AsyncClient, server: Server, clean_host: Host
) -> None:
    vm = await create(api, server, "deaf", start=True)
    stopping = asyncio.create_task(api.post(f"/api/vms/{vm['id']}/stop", params={"timeout": 30}))
    await has_status(vm["id"], "stopping")

    clean_host.virsh("suspend", "deaf")
    clean_host.virsh("resume", "deaf")
    clean_host.virsh("destroy", "deaf")
    await has_status(vm["id"], "stopped")

    assert (await stopping).status_code == 200
    assert [status for _, status in await events_of(vm["id"])][-2:] == ["stopping", "stopped"]


async def test_a_guest_whose_qemu_hangs_keeps_nobody_else_from_being_seen(
    app: FastAPI, server: Server, clean_host: Host
) -> None:
    channel = (
        "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel><interface type='user'/>"
    )
    defined(clean_host, "hung", channel)
    defined(clean_host, "fine")
    hung, fine = await appears("hung"), await appears("fine")
    clean_host.virsh("start", "hung")
    await has_status(hung.id, "running")
    process = clean_host.guest_process("hung")
    process.signal(signal.SIGSTOP)
    try:
        engine_of(app).watch.look_at(server.id, hung.uuid)
        for _ in range(2):
            clean_host.virsh("start", "fine")
            await has_status(fine.id, "running", timeout=10)
            clean_host.virsh("destroy", "fine")
            await has_status(fine.id, "stopped", timeout=10)
    finally:
        process.signal(signal.SIGCONT)


@pytest.mark.slow  # keepalive takes its time to find out
async def test_a_host_that_hangs_is_unreachable_harms_nobody_and_is_true_again_when_it_goes_on(
    app: FastAPI, api: httpx.AsyncClient, server: Server, clean_host: Host, there: Host, other: Server
) -> None:
    here_vm = await create(api, server, "here", start=True)
    there_vm = await create(api, other, "there")
    clean_host.pause_libvirtd()
    try:
        for _ in range(2):  # meanwhile, before anybody knows
            assert (await api.post(f"/api/vms/{there_vm['id']}/start")).status_code == 200
            assert (await api.post(f"/api/vms/{there_vm['id']}/force-stop")).status_code == 200
        await has_status(here_vm["id"], "unknown", timeout=60)
        shown = (await api.get(f"/api/vms/{here_vm['id']}")).json()
        assert shown["last_seen"] is not None
        host = (await api.get(f"/api/servers/{server.id}")).json()
        assert (host["state"], host["last_seen"]) == ("unreachable", shown["last_seen"])
        refused = await api.post(f"/api/vms/{here_vm['id']}/force-stop")
        assert (refused.status_code, refused.json()["detail"]) == (503, "Host 'lab1' is unreachable")
        assert (await api.post(f"/api/vms/{there_vm['id']}/start")).status_code == 200
    finally:
        clean_host.continue_libvirtd()
    await has_status(here_vm["id"], "running", timeout=60)
    assert (await api.get(f"/api/vms/{here_vm['id']}")).json()["last_seen"] is None
    assert (await api.post(f"/api/vms/{here_vm['id']}/force-stop")).status_code == 200


async def test_a_libvirtd_that_is_restarted_is_not_even_noticed(
    app: FastAPI, api: httpx.AsyncClient, server: Server, clean_host: Host
) -> None:
    vm = await create(api, server, "steady", start=True)
    before = await Event.all().order_by("-id").first()
    assert before is not None

    clean_host.kill_libvirtd()
    clean_host.start_libvirtd()
    clean_host.virsh("suspend", "steady")
    await has_status(vm["id"], "paused")

    later = await Event.filter(id__gt=before.id).order_by("id")
    assert [(event.kind, event.data.get("status")) for event in later] == [("vm.changed", "paused")]


@pytest.mark.rule("vm-moves")
async def test_a_vm_that_moves_to_another_server_keeps_its_id(
    app: FastAPI, api: httpx.AsyncClient, server: Server, clean_host: Host, there: Host, other: Server
) -> None:
    vm = await create(api, server, "mover", network_config={"type": "none"})
    xml = clean_host.virsh("dumpxml", "mover", "--security-info")
    clean_host.virsh("undefine", "mover")
    with Hypervisor.open(there.uri) as hypervisor:
        hypervisor.handle.defineXML(xml)

    async def has_moved() -> bool:
        return await Machine.filter(id=vm["id"], server_id=other.id, status="stopped").exists()

    await eventually(has_moved, "the VM is on the other server")
    assert await Machine.filter(uuid=vm["uuid"]).count() == 1


async def test_a_vm_that_is_migrated_live_is_never_thought_to_be_lost(
    app: FastAPI, server: Server, clean_host: Host, there: Host, other: Server
) -> None:
    identity = defined(clean_host, "traveller")
    vm = await appears("traveller")
    clean_host.virsh("start", "traveller")
    await has_status(vm.id, "running")

    clean_host.virsh("migrate", "traveller", there.uri, "--live", "--persistent", "--undefinesource")

    async def has_arrived() -> bool:
        return await Machine.filter(id=vm.id, server_id=other.id, status="running").exists()

    await eventually(has_arrived, "the VM is running on the other server")
    assert await Machine.filter(uuid=identity).count() == 1
    assert "error" not in {status for _, status in await events_of(vm.id)}


@pytest.mark.slow  # one that may be on its way is given ten seconds
async def test_a_copy_of_a_vm_on_another_server_is_a_vm_of_its_own(
    app: FastAPI, api: httpx.AsyncClient, server: Server, clean_host: Host, there: Host, other: Server
) -> None:
    vm = await create(api, server, "original")
    with Hypervisor.open(there.uri) as hypervisor:
        hypervisor.handle.defineXML(clean_host.virsh("dumpxml", "original"))

    async def are_two() -> bool:
        return await Machine.filter(uuid=vm["uuid"]).count() == 2

    await eventually(are_two, "both are shown", 40)
    copy = await Machine.get(uuid=vm["uuid"], server_id=other.id)
    assert copy.id != vm["id"]
    record = there.virsh("metadata", "original", "urn:hostler:vm:1")
    assert f"<id>{copy.id}</id>" in record
    assert f"<id>{vm['id']}</id>" in clean_host.virsh("metadata", "original", "urn:hostler:vm:1")


async def test_where_nothing_happens_nothing_is_written(
    settings: Settings, app: FastAPI, server: Server, clean_host: Host, tmp_path: Path
) -> None:
    define(clean_host, tmp_path, "quiet")
    await appears("quiet")
    (lookout,) = engine_of(app).watch._lookouts.values()
    host = engine_of(app).host(server)

    async def is_settled() -> bool:
        await lookout._resync(server, host)
        # PostgreSQL has no such version: there the rows are read and compared each time
        return lookout._settled is not None or version_now() is None

    await eventually(is_settled, "a comparison finds nothing")
    before, changes = version_now(), (await rows("SELECT COUNT(*) AS n FROM event"))[0]["n"]

    for _ in range(3):
        await lookout._resync(server, host)

    assert (await rows("SELECT COUNT(*) AS n FROM event"))[0]["n"] == changes
    assert version_now() == before


async def test_what_libvirt_tells_nobody_of_is_seen_in_its_turn(
    settings: Settings, app: FastAPI, server: Server, clean_host: Host
) -> None:
    defined(clean_host, "secret")
    vm = await appears("secret")
    (lookout,) = engine_of(app).watch._lookouts.values()
    often = Clock(resync=0.2, reread=0.4)
    lookout._shared, lookout._rereading.clock = replace(lookout._shared, clock=often), often
    for cpus in ("2", "3"):
        clean_host.virsh("setvcpus", "secret", cpus, "--config", "--maximum")
        clean_host.virsh("setvcpus", "secret", cpus, "--config")
        lookout.note(vm.uuid if cpus == "2" else str(uuid.uuid4()))  # which also ends the long pause of before
        expected = int(cpus)

        async def is_seen(expected: int = expected) -> bool:
            return await Machine.filter(id=vm.id, cpu_cores=expected).exists()

        await eventually(is_seen, f"{cpus} CPUs")
