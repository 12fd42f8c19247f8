# SPDX-License-Identifier: GPL-3.0-or-later
"""What services tell each other: whoever watches a host looks at what another has done there."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi import FastAPI

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from hostler.database import rows
from hostler.hosts.models import HostLease, Server
from hostler.jobs.ledger import PROCESS
from hostler.machines.models import Machine
from hostler.settings import Settings
from tests.service.hosts.test_lease_fence import NODE, say
from tests.service.machines.lab_service import engine_of, eventually

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(settings: Settings, postgres_url: str) -> Settings:
    return settings.model_copy(update={"database_url": postgres_url})


@pytest.fixture
async def known(app: FastAPI, tmp_path: Path) -> Machine:
    """A VM on a server that this service watches."""
    node = tmp_path / "node.xml"
    node.write_text(NODE)
    server = await Server.create(hostname="driver", libvirt_uri=f"test://{node}", virt_type="qemu")
    await engine_of(app).watch.call_roll()

    async def is_known() -> bool:
        return await Machine.filter(name="known", server_id=server.id).exists()

    await eventually(is_known, "its VM is known")
    return await Machine.get(name="known").select_related("server")


async def start_by_itself(app: FastAPI, machine: Machine) -> None:
    """Change what libvirt tells nobody of."""

    def work(hypervisor: Hypervisor) -> None:
        hypervisor.domain(machine.uuid).handle.setAutostart(1)

    await engine_of(app).host(machine.server).call(work)


async def test_what_another_has_done_is_looked_at(app: FastAPI, known: Machine) -> None:
    await start_by_itself(app, known)
    await asyncio.sleep(1)
    assert not (await Machine.get(id=known.id)).autostart

    await say(json.dumps(["another", ["look", known.server_id, known.uuid]]))

    async def is_seen() -> bool:
        return (await Machine.get(id=known.id)).autostart

    await eventually(is_seen, "it is looked at")


async def test_what_is_done_here_on_anothers_host_is_told(app: FastAPI, known: Machine, settings: Settings) -> None:
    engine = engine_of(app)
    await rows(
        "INSERT INTO service_process (name, hostname, pid, started_at, expires_at, watches)"
        " VALUES ('another', 'elsewhere', 1, now(), now() + interval '1 hour', true)"
    )
    await HostLease.filter(server_id=known.server_id).update(owner="another")
    await engine.watch.call_roll()
    async with await psycopg.AsyncConnection.connect(settings.database_url, autocommit=True) as connection:
        await connection.execute("LISTEN hostler")

        engine.watch.look_at(known.server_id, known.uuid)
        engine.watch.look_at(known.server_id, known.uuid)  # once is enough

        heard: list[Any] = [json.loads(one.payload) async for one in connection.notifies(timeout=2)]
    looks = [word for speaker, *words in heard for word in words if speaker == PROCESS and word[0] == "look"]
    assert looks == [["look", known.server_id, known.uuid]]


@pytest.mark.parametrize(
    "message",
    ["", "no JSON", "7", "{}", "[]", "[[]]", '["another", 7, null, [], ["look"], ["look", "x", 7], ["left", 1, 2, 3]]'],
)
async def test_nonsense_is_left_alone(app: FastAPI, known: Machine, message: str) -> None:
    await say(message)
    await say(json.dumps(["another", ["look", 10**9, known.uuid]]))
    await start_by_itself(app, known)
    await say(json.dumps(["another", ["look", known.server_id, known.uuid]]))

    async def is_seen() -> bool:
        return (await Machine.get(id=known.id)).autostart

    await eventually(is_seen, "what makes sense is still heard")


async def test_a_service_whose_connections_are_ended_hears_again(app: FastAPI, known: Machine) -> None:
    ended = await rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE query LIKE '%WITH before%' AND pid <> pg_backend_pid() AND datname = current_database()"
    )
    assert len(ended) == 1
    await start_by_itself(app, known)

    async def is_seen() -> bool:
        await say(json.dumps(["another", ["look", known.server_id, known.uuid]]))
        return (await Machine.get(id=known.id)).autostart

    await eventually(is_seen, "it hears again")
    assert len(await rows("SELECT 1 FROM service_process WHERE expires_at > clock_timestamp()")) == 1
