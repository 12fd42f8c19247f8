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
from hostler.jobs.models import Job, JobState
from hostler.jobs.readers import told
from hostler.preference import NO_PREFERENCE, Preference

_PATIENCE_SECONDS = 15.0
_DELETES = (Action.DELETE.value, ImageAction.DELETE.value)


async def cancel(crew: Crew, job_id: int, preference: Preference = NO_PREFERENCE) -> Job:
    """Have the job end, wait a moment for it, and answer it as it is then; one that has ended is only answered.

    Raises `NotFound`, and `Conflict` for a delete that has begun: half of one would leave disks that nobody knows of.
    """
    async with in_transaction():
        job = await Job.select_for_update().get_or_none(id=job_id)
        if job is None:
            raise NotFound(f"Job with ID {job_id} not found", code="job_not_found")
        if job.state == JobState.RUNNING.value and job.action in _DELETES:
            raise Conflict("A delete that has begun can't be canceled", code="not_cancelable")
        if job.state in (JobState.QUEUED.value, JobState.RUNNING.value) and job.cancel_requested_at is None:
            now, error = datetime.now(UTC), Canceled()
            changes: dict[str, Any] = {"cancel_requested_at": now}
            if job.state == JobState.QUEUED.value:
                changes |= {
                    "state": JobState.CANCELED.value,
                    "finished_at": now,
                    "error_code": error.code,
                    "error_detail": error.message,
                }
            await Job.filter(id=job.id).update(**changes)
            await record_job(Kind.JOB_CHANGED, job.id)
            audited.cancel_asked(job)
            if job.state == JobState.QUEUED.value:
                audited.ended(job, JobState.CANCELED, error.code, error.message)
    told(job_id)
    if job.state == JobState.RUNNING.value:
        patience = preference.wait if preference.respond_async else _PATIENCE_SECONDS
        await crew.stop(job_id, min(patience, _PATIENCE_SECONDS))
    return await Job.get(id=job_id)
