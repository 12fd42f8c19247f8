# SPDX-License-Identifier: GPL-3.0-or-later
"""Telling of a change: an event, written in the transaction of the change itself, so that neither is there alone.

What an event says is read from the database then and there, in the shape in which the API shows it: whoever shows a
VM needs no request to show it as it is now. What shows nothing new (when a host was last seen, how much memory it has
free) is no change, and nobody is told of it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from tortoise.backends.base.client import TransactionalDBClient
from tortoise.connection import get_connections
from tortoise.exceptions import TransactionManagementError

from hostler.bodies import ResponseBody
from hostler.database import write_many
from hostler.hosts.models import Server
from hostler.hosts.shown import shown_one
from hostler.jobs.models import Job
from hostler.jobs.schemas import JobShown
from hostler.machines.shown import shown_by_id

# the ORM would make a model of each, and its JSON twice: of many VMs that is most of the time that they take
_INSERT = "INSERT INTO event (at, kind, vm_id, server_id, job_id, data) VALUES (?, ?, ?, ?, ?, ?)"


class Kind(StrEnum):
    """What an event tells of, and its name in the stream."""

    VM_CREATED = "vm.created"
    """A VM is there: one that is being made, or one that others made."""
    VM_CHANGED = "vm.changed"
    VM_DELETED = "vm.deleted"
    """It is no more; the event shows it as it last was."""
    JOB_CREATED = "job.created"
    JOB_CHANGED = "job.changed"
    """It has begun another step, is to be canceled, or has ended."""
    SERVER_CREATED = "server.created"
    SERVER_CHANGED = "server.changed"
    SERVER_DELETED = "server.deleted"
    IMAGE_CREATED = "image.created"
    """A base image is there: one that was uploaded, or one that others put there."""
    IMAGE_CHANGED = "image.changed"
    IMAGE_DELETED = "image.deleted"
    SCHEDULE_CREATED = "schedule.created"
    SCHEDULE_CHANGED = "schedule.changed"
    """It was changed, paused or resumed, has made a run, or has left one out."""
    SCHEDULE_DELETED = "schedule.deleted"


class _Told(NamedTuple):
    kind: Kind
    vm_id: int | None
    server_id: int | None
    job_id: int | None
    json: str


async def record(
    kind: Kind,
    shown: ResponseBody,
    *,
    vm_id: int | None = None,
    server_id: int | None = None,
    job_id: int | None = None,
) -> None:
    """Write an event that says what something is now; raises TransactionManagementError outside of a transaction.

    By the ids its readers find it: a VM's event also names its server.
    """
    await _write([_Told(kind, vm_id, server_id, job_id, shown.model_dump_json())])


async def record_vms(kind: Kind, ids: Collection[int]) -> None:
    """Write an event for each of these VMs, as it is in the transaction; those that are not there are left out."""
    shown = await shown_by_id(list(ids))
    await _write([_Told(kind, vm_id, server_id, None, json) for vm_id, server_id, json in shown])


async def record_job(kind: Kind, job_id: int) -> None:
    """Write an event for a job, as it is in the transaction."""
    await record_jobs(kind, [job_id])


async def record_jobs(kind: Kind, ids: Collection[int]) -> None:
    """Write an event for each of these jobs, as it is in the transaction."""
    jobs = await Job.filter(id__in=list(ids)).order_by("id")
    await _write([_Told(kind, job.vm_id, job.server_id, job.id, JobShown.of(job).model_dump_json()) for job in jobs])


async def record_server(kind: Kind, server_id: int) -> None:
    """Write an event for a server, as it is in the transaction; none for one that is not there."""
    server = await Server.get_or_none(id=server_id)
    if server is not None:
        await record(kind, await shown_one(server), server_id=server_id)


async def _write(events: Sequence[_Told]) -> None:
    handler = get_connections()
    (dialect,) = handler.db_config
    if not isinstance(handler.get(dialect), TransactionalDBClient):
        raise TransactionManagementError("An event is written in the transaction of the change that it tells of")
    if events:
        now = datetime.now(UTC)
        await write_many(_INSERT, [(now, one.kind.value, *one[1:]) for one in events])
