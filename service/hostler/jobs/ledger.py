# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening and closing jobs: the rows that are committed before anything happens, and after everything has.

At most one job of a VM is running. The database holds that, by the unique index ``vm_running_job``, so it is true
for any number of services; the check before it only makes for a better message. A job that may wait is queued, behind
those of its VM that were asked for before it (`hostler.jobs.queue`).
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog
from tortoise.exceptions import IntegrityError
from tortoise.transactions import in_transaction

from hostler.dispatch import SUPERSEDES
from hostler.errors import NotFound
from hostler.events.record import Kind, record_job
from hostler.hosts.models import Server
from hostler.jobs import audited
from hostler.jobs.family import hold_parents, may_begin, settle_parent
from hostler.jobs.holders import require_free, running_job_of
from hostler.jobs.models import Executor, Job, JobState, JobStep, StepState
from hostler.jobs.readers import told
from hostler.jobs.turns import moved
from hostler.machines.models import Machine
from hostler.metrics.measures import JOB_SECONDS
from hostler.permission import Caller

PROCESS = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
"""Who carries out the jobs of this process, as ``lease_owner`` says it; another start is another owner."""


@dataclass(frozen=True)
class Order:
    """What a job is asked to do. ``parameters`` and ``plan`` hold no secret."""

    action: str
    executor: Executor
    actor: Caller
    parameters: Mapping[str, Any] = field(default_factory=dict)
    plan: Mapping[str, Any] | None = None
    supersedes: Collection[str] = ()
    """Actions whose running job of the same VM gives way to this one."""
    idempotency_key: str | None = None
    request_hash: str | None = None
    placement: Mapping[str, Any] | None = None
    """Why the VM's server was chosen."""
    may_wait: bool = False
    """Whether it is queued, to be carried out in its turn, rather than begun here and now or refused."""
    sealed: str | None = None
    """What of its parameters is secret, sealed, where it may wait."""


async def open_job(order: Order, machine: Machine, check: Callable[[Machine], None] = lambda _row: None) -> Job:
    """Write down a job of ``machine``: a running one, for which the VM is taken over, or a queued one if it may wait.

    ``check`` looks at the row as it is in the transaction, and raises if the job may not be. Joins the transaction
    that the caller has open. Raises `Conflict`, naming the job that the VM is busy with, and `NotFound` if there is no
    such VM any more.
    """
    try:
        async with in_transaction():
            # the row lock keeps two services on PostgreSQL apart; SQLite has one writer
            locked = await Machine.select_for_update().get_or_none(id=machine.id)
            if locked is None:  # deleted since the caller looked
                raise NotFound(f"VM with ID {machine.id} not found", code="vm_not_found")
            superseded = None
            if not order.may_wait:
                superseded = await _superseded(await require_free(locked, order.supersedes), order.action)
            check(locked)
            if not order.may_wait:
                locked.generation += 1
                await locked.save(update_fields=["generation"])
                machine.generation = locked.generation
            job = await Job.create(
                action=order.action,
                executor=order.executor.value,
                actor_id=order.actor.user_id,
                actor_name=order.actor.name,
                vm_id=machine.id,
                vm_uuid=machine.uuid,
                vm_name=machine.name,
                server_id=machine.server_id,
                parameters=dict(order.parameters),
                plan=None if order.plan is None else dict(order.plan),
                placement=None if order.placement is None else dict(order.placement),
                supersedes_id=superseded,
                idempotency_key=order.idempotency_key,
                request_hash=order.request_hash,
                request_id=structlog.contextvars.get_contextvars().get("request_id"),
                **(_waiting(order) if order.may_wait else _begun(locked.generation)),
            )
            await record_job(Kind.JOB_CREATED, job.id)
            audited.accepted(job)
            return job
    except IntegrityError:
        await require_free(machine, order.supersedes)
        raise


def _waiting(order: Order) -> dict[str, Any]:
    return {"state": JobState.QUEUED.value, "sealed": order.sealed}


def _begun(generation: int) -> dict[str, Any]:
    """What a job has as soon as this process carries it out."""
    return {
        "state": JobState.RUNNING.value,
        "generation": generation,
        "attempt": 1,
        "lease_owner": PROCESS,
        "started_at": datetime.now(UTC),
        "sealed": None,
    }


async def begin(job_id: int, most_of_server: int) -> Job | None:
    """Take a queued job up: its VM is taken over for it. None if it is not its turn any more, or not yet.

    It is not while ``most_of_server`` jobs of its server are running, unless it may supersede one of them. A job whose
    VM was removed while it waited is begun all the same: that is what it fails with.
    """
    known = await Job.get_or_none(id=job_id, state=JobState.QUEUED.value)
    if known is None:
        return None
    holder = None if known.vm_id is None else await running_job_of(known.vm_id)
    try:
        async with in_transaction():
            # in this order: parents, the job, its server, its VM; whoever closes a job begins with its parent, too
            await hold_parents(known.parent_id, None if holder is None else holder.parent_id)
            job = await Job.select_for_update().get_or_none(id=job_id, state=JobState.QUEUED.value)
            if job is None or not await may_begin(job.parent_id):
                return None
            # locked, so that two services don't both begin the last that may run there
            await Server.select_for_update(no_key=True).get_or_none(id=job.server_id)
            busy = await Job.filter(server_id=job.server_id, state=JobState.RUNNING.value).count()
            if busy >= most_of_server and job.action not in SUPERSEDES:
                return None
            locked = await Machine.select_for_update().get_or_none(id=job.vm_id)
            generation, superseded = 0, None
            if locked is not None:
                running = await running_job_of(locked.id)
                if running is not None and running.action not in SUPERSEDES.get(job.action, ()):
                    return None
                superseded = await _superseded(running, job.action)
                generation = locked.generation = locked.generation + 1
                await locked.save(update_fields=["generation"])
            sealed = job.sealed
            await job.update_from_dict({**_begun(generation), "supersedes_id": superseded}).save()
            await record_job(Kind.JOB_CHANGED, job.id)
    except IntegrityError:  # another one of its VM runs: it was begun since whoever asks has looked
        return None
    job.sealed = sealed  # for whoever carries it out; the row has no secret any more
    return job


async def open_host_job(order: Order, server_id: int) -> Job:
    """Write down a running job on a server that is about none of its VMs; raises `NotFound` for one that is removed."""
    async with in_transaction():
        if await Server.select_for_update(no_key=True).get_or_none(id=server_id) is None:
            raise NotFound(f"Server with ID {server_id} not found", code="server_not_found")
        job = await Job.create(
            action=order.action,
            executor=order.executor.value,
            state=JobState.RUNNING.value,
            actor_id=order.actor.user_id,
            actor_name=order.actor.name,
            server_id=server_id,
            parameters=dict(order.parameters),
            attempt=1,
            lease_owner=PROCESS,
            idempotency_key=order.idempotency_key,
            request_hash=order.request_hash,
            request_id=structlog.contextvars.get_contextvars().get("request_id"),
            started_at=datetime.now(UTC),
        )
        await record_job(Kind.JOB_CREATED, job.id)
        audited.accepted(job)
        return job


async def close_job(
    job: Job,
    state: JobState,
    *,
    result: Mapping[str, Any] | None = None,
    error_code: str | None = None,
    error_detail: str | None = None,
) -> bool:
    """Write down how the job ended; False, and nothing written, if it had ended already (superseded, say)."""
    finished_at = datetime.now(UTC)
    async with in_transaction():
        await hold_parents(job.parent_id)
        changed = await Job.filter(id=job.id, state=JobState.RUNNING.value).update(
            state=state.value,
            result=None if result is None else dict(result),
            error_code=error_code,
            error_detail=error_detail,
            finished_at=finished_at,
            **({"progress": 100} if state is JobState.SUCCEEDED else {}),
        )
        await JobStep.filter(job_id=job.id, state=StepState.RUNNING.value).update(
            state=StepState.FAILED.value, finished_at=finished_at
        )
        if changed:
            await record_job(Kind.JOB_CHANGED, job.id)
            audited.ended(job, state, error_code, error_detail)
            await settle_parent(job.parent_id)
    told(job.id)
    moved()
    if changed and job.started_at is not None:
        seconds = (finished_at - job.started_at).total_seconds()
        JOB_SECONDS.labels(action=job.action, state=state.value).observe(seconds)
    return bool(changed)


async def _superseded(running: Job | None, action: str) -> int | None:
    """Close the job that gives way to ``action``, if there is one, and answer its id."""
    if running is None:
        return None
    await close_job(
        running, JobState.CANCELED, error_code="superseded", error_detail=f"Another operation took over: {action}"
    )
    superseded: int = running.id
    return superseded
