# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparing a host's bulk answer with the rows: what is missing there is looked for before it is thought to be lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from hostler.events.models import Event
from hostler.hosts.connection import HostConnection
from hostler.hosts.models import Server
from hostler.machines.arrivals import Departures
from hostler.machines.looking import look
from hostler.machines.models import Machine
from hostler.machines.sync import bulk_states, compare, sync_host
from tests.core.machines import UUID

pytestmark = pytest.mark.anyio

NODE = f"""<node><domain type='test'><name>web</name><uuid>{UUID}</uuid>
<memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type>hvm</type></os></domain></node>"""
GONE = "00000000-0000-4000-8000-000000000001"


@pytest.fixture
async def server(app: FastAPI, tmp_path: Path) -> Server:
    node = tmp_path / "node.xml"
    node.write_text(NODE)
    return await Server.create(hostname="node", libvirt_uri=f"test://{node}", enabled=False)


@pytest.fixture
async def host(server: Server) -> AsyncIterator[HostConnection]:
    connection = HostConnection(server.hostname, server.libvirt_uri, threads=2)
    yield connection
    connection.close()


async def known(server: Server, uuid: str, status: str = "running") -> Machine:
    """A VM that the database has."""
    return await Machine.create(
        server=server, uuid=uuid, name=f"vm-{uuid[:8]}", status=status, cpu_cores=1, memory_mb=64, disk_gb=0
    )


async def test_a_vm_that_was_created_after_the_host_was_asked_is_not_thought_to_be_lost(
    server: Server, host: HostConnection
) -> None:
    row = await known(server, UUID)

    comparison = await compare(server, {})
    assert comparison.doubtful == [UUID]
    looked = await look(server, host, comparison.doubtful)

    await row.refresh_from_db()
    assert (row.status, looked.gone) == ("running", 0)
    assert "error" not in [event.data.get("status") for event in await Event.filter(vm_id=row.id)]


async def test_a_vm_that_the_host_has_no_longer_is_said_to_be_gone_once(server: Server, host: HostConnection) -> None:
    row = await known(server, GONE)

    assert (await sync_host(server, host)).gone == 1
    await row.refresh_from_db()
    assert row.status == "error"

    assert (await compare(server, await bulk_states(host))).doubtful == []
    assert (await sync_host(server, host, look_closely=True)).gone == 0


async def test_a_vm_that_is_on_its_way_elsewhere_is_left_to_whoever_watches(
    server: Server, host: HostConnection
) -> None:
    row = await known(server, GONE)

    assert (await sync_host(server, host, departures=Departures({GONE: server.id}))).gone == 0
    await row.refresh_from_db()
    assert row.status == "running"

    assert (await sync_host(server, host, departures=Departures({GONE: server.id + 1}))).gone == 1
    await row.refresh_from_db()
    assert row.status == "error"


async def test_a_vm_that_was_made_again_under_its_name_is_taken_in_at_once(
    server: Server, host: HostConnection
) -> None:
    row = await known(server, GONE)
    await Machine.filter(id=row.id).update(name="web")

    report = await sync_host(server, host, look_closely=True)

    assert (report.appeared, report.gone) == (1, 1)
    assert await Machine.filter(name="web", uuid=UUID, status="running").exists()


async def test_what_a_job_deletes_is_no_news(server: Server) -> None:
    await known(server, GONE, status="deleting")

    assert (await compare(server, {})).doubtful == []
