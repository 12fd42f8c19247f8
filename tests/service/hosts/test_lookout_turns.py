# SPDX-License-Identifier: GPL-3.0-or-later
"""The watch of a host where something goes on without end, fails at each turn, or was left half done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostUnreachable
from hostler.hosts.backlog import Backlog
from hostler.hosts.lookout import Lookout
from hostler.hosts.models import Server, ServerState
from hostler.machines.looking import Look, Sighting, look
from hostler.machines.models import Machine
from tests.core.machines import UUID
from tests.service.machines.lab_service import engine_of, eventually

pytestmark = pytest.mark.anyio

GONE = "00000000-0000-4000-8000-000000000001"
NODE = f"""<node><domain type='test'><name>web</name><uuid>{UUID}</uuid>
<memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type>hvm</type></os></domain></node>"""


@pytest.fixture
async def server(app: FastAPI, tmp_path: Path) -> AsyncIterator[Server]:
    node = tmp_path / "node.xml"
    node.write_text(NODE)
    yield await Server.create(hostname="node", libvirt_uri=f"test://{node}", virt_type="qemu")


async def lookout_of(app: FastAPI, server: Server) -> Lookout:
    watch = engine_of(app).watch
    await watch.call_roll()
    return watch._lookouts[server.id]


async def test_events_without_end_keep_no_vm_from_its_turn(
    app: FastAPI, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look_and_hear_of_another(*arguments: Any, **options: Any) -> Look:
        looked = await look(*arguments, **options)
        lookout.note(GONE)
        return looked

    monkeypatch.setattr("hostler.hosts.lookout.look", look_and_hear_of_another)
    lookout = await lookout_of(app, server)
    lookout.note(GONE)

    async def is_known() -> bool:
        return await Machine.filter(uuid=UUID).exists()

    await eventually(is_known, "the VM without events is known")


async def test_a_host_that_fails_soon_after_each_connect_is_unreachable_and_left_alone_for_a_while(
    app: FastAPI, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = 0

    async def refuse(_backlog: Backlog) -> Look:
        nonlocal tries
        tries += 1
        raise HostUnreachable("Host 'node' is unreachable: too many clients")

    monkeypatch.setattr(Backlog, "take", refuse)
    await lookout_of(app, server)

    async def is_unreachable() -> bool:
        return await Server.filter(id=server.id, state=ServerState.UNREACHABLE.value).exists()

    await eventually(is_unreachable, "it is said that the host is unreachable")
    await asyncio.sleep(1)
    assert tries < 20

    monkeypatch.undo()

    async def is_watched() -> bool:
        return await Machine.filter(uuid=UUID).exists()

    await eventually(is_watched, "it is watched as soon as it does not fail")


async def test_a_vm_that_has_left_and_arrived_nowhere_is_missed_also_when_nobody_waited_for_it(
    app: FastAPI, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hostler.hosts.lookout.ON_THE_WAY_SECONDS", 0.5)
    row = await Machine.create(
        server=server, uuid=GONE, name="left", status="running", cpu_cores=1, memory_mb=64, disk_gb=0
    )
    engine_of(app).watch.departures.left[GONE] = server.id  # what was heard before its host was lost for a moment

    await lookout_of(app, server)

    async def is_missed() -> bool:
        is_known = await Machine.filter(id=row.id, status="error").exists()
        return is_known and not engine_of(app).watch.departures.left

    await eventually(is_missed, "it is missed, and nobody waits for it any more")


async def test_a_vm_that_has_moved_while_nobody_watched_keeps_its_id_however_late_its_old_host_is_read(
    app: FastAPI, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hostler.hosts.lookout.ON_THE_WAY_SECONDS", 0.5)
    see = Backlog._see

    async def see_late(backlog: Backlog, uuids: Collection[str]) -> Sighting:
        if backlog._server.hostname == "old":  # behind the batches of many other hosts
            await asyncio.sleep(2)
        return await see(backlog, uuids)

    monkeypatch.setattr(Backlog, "_see", see_late)
    node = tmp_path / "old.xml"
    node.write_text(NODE.replace(UUID, GONE).replace("web", "stayed"))
    old = await Server.create(hostname="old", libvirt_uri=f"test://{node}", virt_type="qemu")
    row = await Machine.create(
        server=old, uuid=UUID, name="web", status="running", cpu_cores=1, memory_mb=64, disk_gb=0
    )

    await lookout_of(app, server)

    async def is_all_known() -> bool:
        return await Machine.filter(uuid=GONE).exists()

    await eventually(is_all_known, "the old host was read, too")
    assert await Machine.filter(uuid=UUID).values_list("id", "server_id") == [(row.id, server.id)]
