# SPDX-License-Identifier: GPL-3.0-or-later
"""``/api/jobs``: every write that was asked for, and what became of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

from hostler.errors import NotFound
from hostler.jobs.models import Job, JobLog, JobState, JobStep
from hostler.jobs.schemas import JobInFull, JobShown
from hostler.paging import Page, Paging, fetch_page
from hostler.permission import Caller, Requires
from hostler.routing import Router

router = Router(prefix="/api/jobs", tags=["jobs"])

Reader = Annotated[Caller, Requires("read")]

LONGEST_LOG = 1000
"""How many of a job's last log lines are shown with it."""


@router.get("", summary="List jobs")
async def list_jobs(
    caller: Reader,
    paging: Paging,
    state: Annotated[JobState | None, Query(description="Only those in this state")] = None,
    vm_id: Annotated[int | None, Query(description="Only those of this VM", ge=1, le=2**31 - 1)] = None,
    server_id: Annotated[int | None, Query(description="Only those on this server", ge=1, le=2**31 - 1)] = None,
) -> Page[JobShown]:
    """Jobs in the order of their ids."""
    query = Job.all()
    if state is not None:
        query = query.filter(state=state.value)
    if vm_id is not None:
        query = query.filter(vm_id=vm_id)
    if server_id is not None:
        query = query.filter(server_id=server_id)
    found, total = await fetch_page(query, paging)
    return Page.of([JobShown.of(job) for job in found], total, paging)


@router.get("/{job_id}", summary="Show a job")
async def show_job(
    caller: Reader, job_id: Annotated[int, Path(description="The job's id", ge=1, le=2**63 - 1)]
) -> JobInFull:
    """One job, with its steps and the end of its log."""
    job = await Job.get_or_none(id=job_id)
    if job is None:
        raise NotFound(f"Job with ID {job_id} not found", code="job_not_found")
    steps = await JobStep.filter(job_id=job_id).order_by("position")
    lines = await JobLog.filter(job_id=job_id).order_by("-id").limit(LONGEST_LOG)
    return JobInFull.with_steps(job, steps, lines[::-1])
