# SPDX-License-Identifier: GPL-3.0-or-later
"""What was seen of VMs, written down after something has happened meanwhile."""

from __future__ import annotations

import threading

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostTimeout
from hostler.events.models import Event
from hostler.hosts.connection import HostConnection
from hostler.hosts.models import Server
from hostler.machines.looking import look, see, write
from hostler.machines.models import Machine
from tests.core.machines import UUID

pytestmark = pytest.mark.anyio

ASKED = {"name": "web", "description": "first"}


@pytest.fixture
async def row(node: Server) -> Machine:
    """The VM as it was before another door changed it: its record has one revision more."""
    return await Machine.create(
        server=node, uuid=UUID, name="web", status="stopped", cpu_cores=2, memory_mb=32, disk_gb=0.0,
        revision=1, spec=ASKED,
    )  # fmt: skip


async def test_what_another_door_has_changed_is_asked_for_from_then_on(
    node: Server, connection: HostConnection, row: Machine
) -> None:
    await look(node, connection, [UUID])

    await row.refresh_from_db()
    assert (row.revision, row.spec["cpu_cores"], row.spec["description"]) == (2, 1, "first")


async def test_nobody_is_told_of_a_revision_that_shows_nowhere(
    node: Server, connection: HostConnection, row: Machine
) -> None:
    await look(node, connection, [UUID])
    await Machine.filter(id=row.id).update(revision=1, spec=ASKED)
    told = await Event.all().count()

    await look(node, connection, [UUID])

    await row.refresh_from_db()
    assert (row.revision, await Event.all().count()) == (2, told)


async def test_what_was_asked_for_since_the_look_stays_and_what_the_host_says_is_written(
    node: Server, connection: HostConnection, row: Machine
) -> None:
    sighting = await see(node, connection, [UUID])
    await Machine.filter(id=row.id).update(revision=3, spec={"name": "web"})  # a change of ours

    seen = await write(node, connection, sighting)

    assert seen.waiting == {UUID}  # what it differs in from what is asked for by now, another look tells
    await row.refresh_from_db()
    assert (row.revision, row.spec) == (3, {"name": "web"})
    assert (row.status, row.cpu_cores, row.memory_mb) == ("running", 1, 64)


async def test_nobody_is_told_of_another_drift_that_shows_nowhere(
    node: Server, connection: HostConnection, row: Machine
) -> None:
    await Machine.filter(id=row.id).update(revision=2, spec={**ASKED, "cpu_cores": 4})
    await look(node, connection, [UUID])
    await row.refresh_from_db()
    assert row.drift
    await Machine.filter(id=row.id).update(drift=[{"field": "cpu_cores", "asked": 4, "found": 3}])
    told = await Event.all().count()

    await look(node, connection, [UUID])

    await row.refresh_from_db()
    assert row.drift != [{"field": "cpu_cores", "asked": 4, "found": 3}]
    assert await Event.all().count() == told


async def test_what_a_job_has_written_down_since_the_look_stays_and_is_looked_at_again(
    node: Server, connection: HostConnection, row: Machine
) -> None:
    sighting = await see(node, connection, [UUID])
    await Machine.filter(id=row.id).update(status="paused")  # the job looked later than we did

    seen = await write(node, connection, sighting)

    assert seen.waiting == {UUID}
    await row.refresh_from_db()
    assert (row.status, row.cpu_cores) == ("paused", 1)


async def test_what_a_job_has_seen_alike_is_not_looked_at_again(
    node: Server, connection: HostConnection, row: Machine
) -> None:
    sighting = await see(node, connection, [UUID])
    await Machine.filter(id=row.id).update(status="running")

    assert (await write(node, connection, sighting)).waiting == set()


async def test_a_host_that_does_not_come_to_the_end_of_a_look_is_given_up(
    node: Server, connection: HostConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()
    monkeypatch.setattr("hostler.machines.looking.look_at", lambda _hypervisor, **_of: over.wait(30))
    monkeypatch.setattr("hostler.machines.looking.reading_seconds", lambda _vms: 0.1)

    with pytest.raises(HostTimeout, match=r"'node' did not answer within 0\.1 s"):
        await look(node, connection, [UUID])
    over.set()
