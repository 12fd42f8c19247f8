# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparing a host's bulk answer with the rows: what is missing there is looked for before it is thought to be lost."""

from __future__ import annotations

import pytest

from hostler.events.models import Event
from hostler.hosts.connection import HostConnection
from hostler.hosts.models import Server
from hostler.machines.arrivals import Departures
from hostler.machines.looking import look
from hostler.machines.models import Machine
from hostler.machines.sync import bulk_states, compare, sync_host
from tests.core.machines import UUID

pytestmark = pytest.mark.anyio

GONE = "00000000-0000-4000-8000-000000000001"


async def known(node: Server, uuid: str, status: str = "running") -> Machine:
    """A VM that the database has."""
    return await Machine.create(
        server=node, uuid=uuid, name=f"vm-{uuid[:8]}", status=status, cpu_cores=1, memory_mb=64, disk_gb=0
    )


async def test_a_vm_that_was_created_after_the_host_was_asked_is_not_thought_to_be_lost(
    node: Server, connection: HostConnection
) -> None:
    row = await known(node, UUID)

    comparison = await compare(node, {})
    assert comparison.doubtful == [UUID]
    looked = await look(node, connection, comparison.doubtful)

    await row.refresh_from_db()
    assert (row.status, looked.gone) == ("running", 0)
    assert "error" not in [event.data.get("status") for event in await Event.filter(vm_id=row.id)]


async def test_a_vm_that_its_host_no_longer_has_is_said_gone_once(node: Server, connection: HostConnection) -> None:
    row = await known(node, GONE)

    assert (await sync_host(node, connection)).gone == 1
    await row.refresh_from_db()
    assert row.status == "error"

    assert (await compare(node, await bulk_states(connection))).doubtful == []
    assert (await sync_host(node, connection)).gone == 0


async def test_a_vm_that_is_on_its_way_elsewhere_is_left_to_whoever_watches(
    node: Server, connection: HostConnection
) -> None:
    row = await known(node, GONE)

    assert (await sync_host(node, connection, Departures({GONE: node.id}))).gone == 0
    await row.refresh_from_db()
    assert row.status == "running"

    assert (await sync_host(node, connection, Departures({GONE: node.id + 1}))).gone == 1
    await row.refresh_from_db()
    assert row.status == "error"


async def test_a_vm_that_was_made_again_under_its_name_is_taken_in_at_once(
    node: Server, connection: HostConnection
) -> None:
    row = await known(node, GONE)
    await Machine.filter(id=row.id).update(name="web")

    report = await sync_host(node, connection)

    assert (report.appeared, report.gone) == (1, 1)
    assert await Machine.filter(name="web", uuid=UUID, status="running").exists()


async def test_what_a_job_deletes_is_no_news(node: Server) -> None:
    await known(node, GONE, status="deleting")

    assert (await compare(node, {})).doubtful == []
