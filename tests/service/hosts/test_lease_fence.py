# SPDX-License-Identifier: GPL-3.0-or-later
"""A service that has lost a host without having noticed: the first thing that it would write ends its watch."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from fastapi import FastAPI

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostUnreachable
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from hostler.database import rows
from hostler.hosts.actions import refresh
from hostler.hosts.models import HostLease, Server, ServerState
from hostler.jobs.ledger import PROCESS
from hostler.jobs.models import Job
from hostler.machines.models import Machine, MachineStatus
from hostler.services.alive import alive_processes
from hostler.settings import Settings
from tests.core.machines import UUID
from tests.service.machines.lab_service import engine_of, eventually

pytestmark = pytest.mark.anyio

NODE = """
<node><domain type='test'><name>known</name><memory>65536</memory><os><type>hvm</type></os></domain></node>
"""
NEW = "<domain type='test'><name>new</name><memory>65536</memory><os><type>hvm</type></os></domain>"


@pytest.fixture
def settings(settings: Settings, postgres_url: str) -> Settings:
    return settings.model_copy(update={"database_url": postgres_url})


@pytest.fixture
async def watched(app: FastAPI, tmp_path: Path) -> Server:
    """A server that this service watches, and nobody calls the roll any more."""
    node = tmp_path / "node.xml"
    node.write_text(NODE)
    server = await Server.create(hostname="driver", libvirt_uri=f"test://{node}", virt_type="qemu")
    watch = engine_of(app).watch
    await watch.call_roll()

    async def is_known() -> bool:
        return await Machine.filter(name="known", server_id=server.id).exists()

    await eventually(is_known, "its VM is known")
    assert watch._roll_call is not None
    watch._roll_call.cancel()
    await asyncio.gather(watch._roll_call, return_exceptions=True)
    return server


async def another(server: Server) -> None:
    """Have another service, which is alive, take the server over."""
    await rows(
        "INSERT INTO service_process (name, hostname, pid, started_at, expires_at, watches)"
        " VALUES ('another', 'elsewhere', 1, now(), now() + interval '1 hour', true)"
    )
    await HostLease.filter(server_id=server.id).update(owner="another")


async def say(message: str) -> None:
    """Have the other services hear that."""
    await rows("SELECT pg_notify('hostler', ?)", message)


async def define(app: FastAPI, server: Server) -> None:
    """Have somebody else make a VM there, which libvirt tells of."""

    def work(hypervisor: Hypervisor) -> None:
        hypervisor.define(NEW)

    await engine_of(app).host(server).call(work)


async def test_what_happens_on_a_host_is_written_by_whoever_holds_it(app: FastAPI, watched: Server) -> None:
    lease = await HostLease.get(server_id=watched.id)
    assert lease.owner == PROCESS
    await define(app, watched)

    async def is_known() -> bool:
        return await Machine.filter(name="new").exists()

    await eventually(is_known, "the new VM is known")


async def test_what_happens_on_a_host_is_not_written_by_whoever_has_lost_it(app: FastAPI, watched: Server) -> None:
    (lookout,) = engine_of(app).watch._lookouts.values()
    await another(watched)
    before = (await Server.get(id=watched.id)).last_seen
    assert lookout.is_in_sight
    await engine_of(app).watch._note_seen()  # what is written of all hosts together, too
    assert (await Server.get(id=watched.id)).last_seen == before
    await define(app, watched)

    async def has_ended() -> bool:
        return lookout.task.done()

    await eventually(has_ended, "its watch ends by itself")
    assert lookout.task.exception() is None
    assert [row.name for row in await Machine.all()] == ["known"]
    assert (await Server.get(id=watched.id)).state == ServerState.REACHABLE.value
    await engine_of(app).watch.call_roll()
    assert watched.id in engine_of(app).watch.elsewhere
    assert watched.id not in engine_of(app).watch.watched


async def test_a_host_that_can_not_be_reached_from_here_is_the_affair_of_whoever_watches_it(
    app: FastAPI, watched: Server
) -> None:
    await another(watched)
    engine = engine_of(app)
    await engine.watch.call_roll()
    host = engine.host(watched)
    host.close()
    with pytest.raises(HostUnreachable):
        await refresh(engine, watched)
    assert (await Server.get(id=watched.id)).state == ServerState.REACHABLE.value

    await Server.filter(id=watched.id).update(state=ServerState.UNREACHABLE.value)
    await engine.watch.call_roll()

    assert host._is_away  # calls to it wait no longer than they need


async def test_a_refresh_leaves_a_vm_that_another_service_saw_leave_as_it_is(app: FastAPI, watched: Server) -> None:
    await another(watched)
    engine = engine_of(app)
    await engine.watch.call_roll()
    machine = await Machine.create(
        server=watched, uuid=UUID, name="gone", status="running", cpu_cores=1, memory_mb=64, disk_gb=1
    )
    await say(json.dumps(["another", ["left", watched.id, machine.uuid]]))

    async def is_heard() -> bool:
        return engine.watch.departures.has_left(machine.uuid, watched.id)

    await eventually(is_heard, "it is heard that the VM has left")

    await refresh(engine, watched)
    assert (await Machine.get(id=machine.id)).status == "running"

    await say(json.dumps(["another", ["stayed", watched.id, machine.uuid]]))

    async def is_gone() -> bool:
        await refresh(engine, watched)
        return (await Machine.get(id=machine.id)).status == MachineStatus.ERROR.value

    await eventually(is_gone, "one that has not left is missed")


async def test_jobs_of_a_service_that_is_alive_are_its_own(app: FastAPI, watched: Server) -> None:
    machine = await Machine.get(name="known")
    await another(watched)
    assert set(await alive_processes()) == {PROCESS, "another"}
    await HostLease.filter(server_id=watched.id).update(owner=PROCESS)
    job = await Job.create(
        action="vm_restart",
        executor="direct",
        state="running",
        server_id=watched.id,
        vm_id=machine.id,
        vm_uuid=machine.uuid,
        lease_owner="another",
    )
    engine = engine_of(app)
    await engine.watch.call_roll()
    (lookout,) = engine.watch._lookouts.values()
    lookout.recover_soon()
    await asyncio.sleep(1)
    assert (await Job.get(id=job.id)).state == "running"

    await rows("UPDATE service_process SET expires_at = now() WHERE name = 'another'")
    await engine.watch.call_roll()

    async def is_settled() -> bool:
        return (await Job.get(id=job.id)).error_code == "cut_off"

    await eventually(is_settled, "the job of a dead service is settled")
