# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening and closing jobs: the rows that are committed before anything happens, and after everything has.

At most one job of a VM is running. The database holds that, by the unique index ``vm_running_job``, so it is true
for any number of services; the check before it only makes for a better message.
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

from hostler.errors import Conflict, NotFound
from hostler.events.record import Kind, record_job
from hostler.jobs import audited
from hostler.jobs.models import Executor, Job, JobState, JobStep, StepState
from hostler.jobs.readers import told
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


async def open_job(order: Order, machine: Machine, check: Callable[[Machine], None] = lambda _row: None) -> Job:
    """Write down a running job of ``machine`` and take the VM over for it.

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
            superseded = await _give_way(order, locked)
            check(locked)
            locked.generation += 1
            await locked.save(update_fields=["generation"])
            machine.generation = locked.generation
            job = await Job.create(
                action=order.action,
                executor=order.executor.value,
                state=JobState.RUNNING.value,
                actor_id=order.actor.user_id,
                actor_name=order.actor.name,
                vm_id=machine.id,
                vm_uuid=machine.uuid,
                vm_name=machine.name,
                server_id=machine.server_id,
                parameters=dict(order.parameters),
                plan=None if order.plan is None else dict(order.plan),
                placement=None if order.placement is None else dict(order.placement),
                generation=locked.generation,
                attempt=1,
                lease_owner=PROCESS,
                supersedes_id=superseded,
                idempotency_key=order.idempotency_key,
                request_hash=order.request_hash,
                request_id=structlog.contextvars.get_contextvars().get("request_id"),
                started_at=datetime.now(UTC),
            )
            await record_job(Kind.JOB_CREATED, job.id)
            audited.accepted(job)
            return job
    except IntegrityError:
        await _raise_busy(machine)
        raise


async def open_host_job(order: Order, server_id: int) -> Job:
    """Write down a running job on a server that is about none of its VMs."""
    async with in_transaction():
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
    told(job.id)
    if changed and job.started_at is not None:
        seconds = (finished_at - job.started_at).total_seconds()
        JOB_SECONDS.labels(action=job.action, state=state.value).observe(seconds)
    return bool(changed)


async def running_job_of(machine_id: int) -> Job | None:
    """The job that the VM is busy with."""
    return await Job.get_or_none(vm_id=machine_id, state=JobState.RUNNING.value)


async def require_free(machine: Machine, supersedes: Collection[str] = ()) -> None:
    """Raise `Conflict` if the VM is busy with a job that is not among ``supersedes``."""
    running = await running_job_of(machine.id)
    if running is not None and running.action not in supersedes:
        raise _busy(machine, running)


async def _give_way(order: Order, machine: Machine) -> int | None:
    running = await running_job_of(machine.id)
    if running is None:
        return None
    if running.action not in order.supersedes:
        raise _busy(machine, running)
    await close_job(
        running, JobState.CANCELED, error_code="superseded", error_detail=f"Another operation took over: {order.action}"
    )
    superseded: int = running.id
    return superseded


async def _raise_busy(machine: Machine) -> None:
    running = await running_job_of(machine.id)
    if running is not None:
        raise _busy(machine, running)


def _busy(machine: Machine, job: Job) -> Conflict:
    verb = job.action.removeprefix("vm_").replace("_", "-")
    return Conflict(f"VM '{machine.name}' has an operation in progress: {verb} (job {job.id})", code="vm_busy")
