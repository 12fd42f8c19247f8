# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs that are looked at in their turn: one batch is read while another is written."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

import pytest
from fastapi import FastAPI

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from hostler.hosts.backlog import Backlog
from hostler.hosts.connection import HostConnection
from hostler.hosts.models import Server
from hostler.hosts.precedence import Precedence
from hostler.machines.arrivals import Departures
from hostler.machines.looking import look
from hostler.machines.models import Machine
from hostler.machines.sync import BATCH

pytestmark = pytest.mark.anyio

UUIDS = sorted(str(uuid.UUID(int=number)) for number in range(1, BATCH + 2))
LAST = UUIDS[-1]
"""Alone in the second batch."""


@pytest.fixture
async def node(app: FastAPI, tmp_path: Path) -> Server:
    domains = "".join(
        f"<domain type='test'><name>vm-{number}</name><uuid>{identity}</uuid><memory>65536</memory>"
        "<os><type>hvm</type></os></domain>"
        for number, identity in enumerate(UUIDS)
    )
    file = tmp_path / "node.xml"
    file.write_text(f"<node>{domains}</node>")
    return await Server.create(hostname="many", libvirt_uri=f"test://{file}", enabled=False)


def force_off(hypervisor: Hypervisor) -> None:
    domain = hypervisor.find_domain(LAST)
    assert domain is not None
    domain.destroy()


async def read_ahead() -> None:
    """Until what is read ahead is there: no task but the test's own runs."""
    while others := [task for task in asyncio.all_tasks() if task.get_name().startswith("watch-backlog")]:
        await asyncio.wait(others)


async def test_all_are_taken_in_a_batch_at_a_time(node: Server, connection: HostConnection) -> None:
    async with asyncio.TaskGroup() as tasks:
        backlog = Backlog(node, connection, Departures(), Precedence(), UUIDS, tasks)

        first = await backlog.take()
        assert (len(first.uuids), bool(backlog)) == (BATCH, True)
        second = await backlog.take()
        assert (list(second.uuids), bool(backlog)) == ([LAST], False)

    assert await Machine.filter(server_id=node.id, status="running").count() == len(UUIDS)


async def test_what_was_looked_at_apart_is_not_overwritten_by_what_was_read_ahead(
    node: Server, connection: HostConnection
) -> None:
    await look(node, connection, UUIDS)
    async with asyncio.TaskGroup() as tasks:
        backlog = Backlog(node, connection, Departures(), Precedence(), UUIDS, tasks)
        await backlog.take()
        await read_ahead()

        await connection.call(force_off)
        await look(node, connection, [LAST])
        backlog.looked_at([LAST])
        written = await backlog.take()

    assert list(written.uuids) == []
    assert (await Machine.get(uuid=LAST)).status == "stopped"


async def test_one_that_is_to_be_looked_at_again_is_read_again(node: Server, connection: HostConnection) -> None:
    await look(node, connection, UUIDS)
    async with asyncio.TaskGroup() as tasks:
        backlog = Backlog(node, connection, Departures(), Precedence(), UUIDS, tasks)
        await backlog.take()
        await read_ahead()

        await connection.call(force_off)
        backlog.extend([LAST])
        while backlog:
            await backlog.take()

    assert (await Machine.get(uuid=LAST)).status == "stopped"


async def test_who_waits_for_a_turn_keeps_it_and_gets_no_second_one(node: Server, connection: HostConnection) -> None:
    async with asyncio.TaskGroup() as tasks:
        backlog = Backlog(node, connection, Departures(), Precedence(), UUIDS, tasks)

        backlog.extend(UUIDS)
        looked_at = [uuid for _ in range(2) for uuid in (await backlog.take()).uuids]

        assert looked_at == UUIDS
        assert not backlog


async def test_one_that_is_closed_leaves_what_it_reads_ahead(node: Server, connection: HostConnection) -> None:
    async with asyncio.TaskGroup() as tasks:
        backlog = Backlog(node, connection, Departures(), Precedence(), UUIDS, tasks)
        await backlog.take()
        backlog.close()

    assert await Machine.filter(server_id=node.id).count() == BATCH
