# SPDX-License-Identifier: GPL-3.0-or-later
"""What the audit has of a job: that it was accepted, that it was asked to end, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hostler.audit.models import Outcome
from hostler.audit.origin import Auth, Origin, origin
from hostler.audit.record import Target, record
from hostler.jobs.models import Job, JobState


def accepted(job: Job, also: Mapping[str, Any] | None = None) -> None:
    """Have the job's beginning recorded with the transaction that is open: what is to be, and what was before.

    ``also`` is what the details say besides, such as which schedule's run it is.
    """
    also = also or {}
    plan: dict[str, Any] = job.plan if isinstance(job.plan, dict) else {}
    before, after = plan.get("before") or {}, plan.get("after") or {}
    asked = {name: value for name, value in job.parameters.items() if name not in after and name not in also}
    details = {**_named(job), "executor": job.executor, **also, **({"parameters": asked} if asked else {})}
    if job.supersedes_id is not None:
        details["supersedes_job_id"] = job.supersedes_id
    record(_slug(job), Outcome.ACCEPTED, target=_target(job), before=before, after=after, details=details)


def cancel_asked(job: Job) -> None:
    """Have it recorded that somebody wants the job to end."""
    target = Target("job", job.id, _slug(job))
    record("job.cancel", Outcome.ACCEPTED, target=target, details={"vm_id": job.vm_id} if job.vm_id else None)


def ended(job: Job, state: JobState, error_code: str | None, error_detail: str | None) -> None:
    """Have the job's end recorded."""
    outcome = Outcome.SUCCEEDED if state is JobState.SUCCEEDED else Outcome.FAILED
    details = {**_named(job), "state": state.value}
    if error_code is not None:
        details |= {"error": error_code, "reason": error_detail}
    record(_slug(job), outcome, target=_target(job), details=details, by=_actor(job))


def _actor(job: Job) -> Origin:
    """Who ends it: whoever is at it, or the service, for who has asked, where that request is long gone."""
    now = origin()
    if now.auth is not Auth.SERVICE or not job.actor_name:
        return now
    return Origin(job.actor_name, Auth.SERVICE, actor_id=job.actor_id, request_id=job.request_id)


def _slug(job: Job) -> str:
    """``vm.force_stop`` for ``vm_force_stop``."""
    return job.action.replace("_", ".", 1)


def _named(job: Job) -> dict[str, Any]:
    named = {"job_id": job.id, "server_id": job.server_id}
    return named if job.parent_id is None else {**named, "parent_job_id": job.parent_id}


def _target(job: Job) -> Target:
    if job.vm_id is not None:
        return Target("vm", job.vm_id, job.vm_name)
    name = job.parameters.get("name")
    return Target(job.action.partition("_")[0], None, str(name) if name else None)
