# SPDX-License-Identifier: GPL-3.0-or-later
"""Who a domain is that a server has not had before."""

from __future__ import annotations

import dataclasses

import pytest
from fastapi import FastAPI

from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from hostler.accounts.models import User
from hostler.hosts.models import Server
from hostler.machines.arrivals import Departures, arrivals
from hostler.machines.intake import mark_gone
from hostler.machines.models import Machine
from tests.core.machines import FULL_RECORD, RECORD, UUID, observed

pytestmark = pytest.mark.anyio


@pytest.fixture
async def here(app: FastAPI) -> Server:
    return await Server.create(hostname="here", libvirt_uri="qemu:///system", enabled=False)


@pytest.fixture
async def there(app: FastAPI) -> Server:
    return await Server.create(hostname="there", libvirt_uri="qemu+tls://there/system", enabled=False)


async def known(server: Server, status: str = "stopped", **fields: object) -> Machine:
    """A VM that the database has."""
    values = {"uuid": UUID, "name": "web-1", "cpu_cores": 2, "memory_mb": 1024, "disk_gb": 10.0, **fields}
    return await Machine.create(server=server, status=status, **values)


def numbered(number: int | None, **changes: object) -> ObservedMachine:
    return observed(record=dataclasses.replace(RECORD, id=number), **changes)


async def test_a_new_vm_has_the_number_that_it_says_and_the_owner_of_that_name(here: Server) -> None:
    owner = await User.create(username="Ada", username_key="ada", password_hash="x", permissions=[])

    found = await arrivals(here, [observed(record=dataclasses.replace(FULL_RECORD, owner="ADA"))], Departures(), ())

    (arrival,) = found.now
    assert (arrival.row, arrival.id, arrival.owner_id) == (None, 4711, owner.id)


@pytest.mark.parametrize("number", [None, 0, 10**9 + 1, 10**17])
async def test_a_number_that_can_not_be_one_is_not_taken(here: Server, number: int | None) -> None:
    (arrival,) = (await arrivals(here, [numbered(number)], Departures(), ())).now

    assert arrival.id is None


async def test_a_number_that_another_vm_has_is_left_to_it(here: Server, there: Server) -> None:
    other = await known(there, uuid="0d9c8b7a-1111-4222-8333-944455566677", name="other")

    (arrival,) = (await arrivals(here, [numbered(other.id)], Departures(), ())).now

    assert (arrival.row, arrival.id) == (None, None)


async def test_of_two_that_claim_one_number_one_gets_it(here: Server) -> None:
    twins = [numbered(7), numbered(7, uuid="0d9c8b7a-1111-4222-8333-944455566677", name="web-2")]

    found = await arrivals(here, twins, Departures(), ())

    assert [arrival.id for arrival in found.now] == [7, None]


async def test_a_vm_that_is_gone_where_it_was_keeps_its_row_where_it_is(here: Server, there: Server) -> None:
    row = await known(there, status="error")

    (arrival,) = (await arrivals(here, [numbered(None)], Departures(), ())).now

    assert arrival.row == row


async def test_a_vm_that_was_migrated_away_keeps_its_row_before_it_is_missed(here: Server, there: Server) -> None:
    row = await known(there)

    (arrival,) = (await arrivals(here, [numbered(None)], Departures({UUID: there.id}), ())).now

    assert arrival.row == row


async def test_a_vm_that_is_still_elsewhere_waits_and_is_a_copy_if_it_waited_long_enough(
    here: Server, there: Server
) -> None:
    row = await known(there)
    machine = numbered(row.id)

    early = await arrivals(here, [machine], Departures(), ())
    late = await arrivals(here, [machine], Departures(), {UUID})

    assert (early.now, early.waiting) == ([], {UUID})
    assert [(arrival.row, arrival.id) for arrival in late.now] == [(None, None)]


async def test_a_domain_that_is_being_migrated_here_is_no_copy_however_long_it_takes(
    here: Server, there: Server
) -> None:
    await known(there, status="running")
    incoming = numbered(None, is_persistent=False, is_active=True, status="paused")

    found = await arrivals(here, [incoming], Departures(), {UUID})

    assert (found.now, found.waiting) == ([], {UUID})


async def test_who_has_left_another_server_than_the_one_it_is_known_on_has_not_left_that(
    here: Server, there: Server
) -> None:
    await known(there)

    found = await arrivals(here, [numbered(None)], Departures({UUID: here.id}), ())

    assert found.waiting == {UUID}


async def test_a_vm_that_has_moved_meanwhile_is_not_missed_where_it_was(here: Server, there: Server) -> None:
    row = await known(there, status="running")

    assert await mark_gone(here.id, [row.id]) == 0
    assert await mark_gone(there.id, [row.id]) == 1


def test_who_has_come_back_has_not_left_and_who_left_another_server_still_has() -> None:
    departures = Departures({UUID: 1})

    departures.forget([UUID], 2)
    assert departures.left == {UUID: 1}
    departures.forget([UUID], 1)
    assert departures.left == {}
