# SPDX-License-Identifier: GPL-3.0-or-later
"""Canceling a job: it is asked to end, ends where that is safe, and what an unfinished create made is taken away.

That it was asked to stands in its row, where the process that carries it out finds it: before the job's next step, and
within a second or so wherever it waits. Until it has ended it keeps its VM.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tortoise.transactions import in_transaction

from hostler.dispatch import Action
from hostler.errors import Conflict, NotFound
from hostler.events.record import Kind, record_job
from hostler.images.models import ImageAction
from hostler.jobs import audited
from hostler.jobs.crew import Canceled, Crew
from hostler.jobs.family import ACTION_ON_MANY, cancel_waiting, hold_parents, settle_parent
from hostler.jobs.models import Job, JobState
from hostler.jobs.readers import told
from hostler.jobs.turns import moved
from hostler.machines.forgetting import forget
from hostler.preference import NO_PREFERENCE, Preference

_PATIENCE_SECONDS = 15.0
_DELETES = (Action.DELETE.value, ImageAction.DELETE.value)


async def cancel(crew: Crew, job_id: int, preference: Preference = NO_PREFERENCE) -> Job:
    """Have the job end, wait a moment for it, and answer it as it is then; one that has ended is only answered.

    Raises `NotFound`, and `Conflict` for a delete that has begun: half of one would leave disks that nobody knows of.
    """
    known = await Job.get_or_none(id=job_id)
    async with in_transaction():
        await hold_parents(None if known is None else known.parent_id)
        job = await Job.select_for_update().get_or_none(id=job_id)
        if job is None:
            raise NotFound(f"Job with ID {job_id} not found", code="job_not_found")
        if job.state == JobState.RUNNING.value and job.action in _DELETES:
            raise Conflict("A delete that has begun can't be canceled", code="not_cancelable")
        if job.state in (JobState.QUEUED.value, JobState.RUNNING.value) and job.cancel_requested_at is None:
            await _ask(job)
    told(job_id)
    moved()
    if job.state == JobState.RUNNING.value:
        patience = preference.wait if preference.respond_async else _PATIENCE_SECONDS
        await crew.stop(job_id, min(patience, _PATIENCE_SECONDS))
    return await Job.get(id=job_id)


async def _ask(job: Job) -> None:
    now, error = datetime.now(UTC), Canceled()
    changes: dict[str, Any] = {"cancel_requested_at": now}
    if job.state == JobState.QUEUED.value:
        changes |= {
            "state": JobState.CANCELED.value,
            "finished_at": now,
            "error_code": error.code,
            "error_detail": error.message,
            "sealed": None,
        }
    await Job.filter(id=job.id).update(**changes)
    await record_job(Kind.JOB_CHANGED, job.id)
    audited.cancel_asked(job)
    if job.state == JobState.QUEUED.value:
        audited.ended(job, JobState.CANCELED, error.code, error.message)
    if job.state == JobState.QUEUED.value and job.action == Action.CREATE.value and job.vm_id is not None:
        await forget(job.vm_id)  # nothing of it is anywhere
    if job.state == JobState.QUEUED.value:
        await settle_parent(job.parent_id)
    if job.action == ACTION_ON_MANY:
        await _ask_children(job.id, now)


async def _ask_children(parent_id: int, now: datetime) -> None:
    """Have those that run end where that is safe; those that wait have ended by that, and a delete goes on."""
    error = Canceled()
    await cancel_waiting(parent_id, error.code, error.message)
    running = Job.filter(parent_id=parent_id, state=JobState.RUNNING.value, cancel_requested_at__isnull=True)
    await running.exclude(action__in=_DELETES).update(cancel_requested_at=now)
    await settle_parent(parent_id)
