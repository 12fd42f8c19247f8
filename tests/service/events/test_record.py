# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing events: only beside their change, with no secret, and many at once."""

from __future__ import annotations

import pytest
from tortoise.exceptions import TransactionManagementError
from tortoise.transactions import in_transaction

from hostler.events.models import Event
from hostler.events.record import Kind, record_job, record_vms
from hostler.hosts.models import Server
from hostler.jobs.models import Job
from hostler.machines.models import Machine

pytestmark = pytest.mark.anyio


async def test_an_event_outside_of_a_transaction_is_refused(machine: Machine) -> None:
    with pytest.raises(TransactionManagementError):
        await record_vms(Kind.VM_CHANGED, [machine.id])

    assert not await Event.all().exists()


async def test_a_thousand_vms_are_told_of_in_their_order(known_server: Server) -> None:
    await Machine.bulk_create(
        [
            Machine(
                uuid=f"00000000-0000-4000-9000-{number:012d}",
                server=known_server,
                name=f"more{number}",
                cpu_cores=1,
                memory_mb=1,
                disk_gb=1.0,
            )
            for number in range(1000)
        ]
    )
    ids = [int(str(one)) for one in await Machine.all().order_by("id").values_list("id", flat=True)]

    async with in_transaction():
        await record_vms(Kind.VM_CHANGED, [*ids, 10**6])

    told = await Event.all().order_by("id")
    assert [event.vm_id for event in told] == ids
    assert {event.server_id for event in told} == {known_server.id}
    assert all(event.at is not None for event in told)


async def test_a_failed_jobs_event_holds_what_the_api_shows_and_no_more(machine: Machine) -> None:
    job = await Job.create(
        action="vm_create",
        executor="direct",
        state="failed",
        vm_id=machine.id,
        server_id=machine.server_id,
        error_code="x",
        error_detail="y",
        result={"status": 500, "errors": []},
        idempotency_key="mine",
        request_hash="secret",
    )
    async with in_transaction():
        await record_job(Kind.JOB_CHANGED, job.id)

    (event,) = await Event.all()
    assert (event.vm_id, event.server_id, event.job_id) == (machine.id, machine.server_id, job.id)
    assert event.data["result"] is None
    assert event.data["error"] == {"code": "x", "detail": "y"}
    assert not {"idempotency_key", "request_hash", "lease_owner"} & set(event.data)
