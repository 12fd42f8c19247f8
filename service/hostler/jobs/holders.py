# SPDX-License-Identifier: GPL-3.0-or-later
"""Which job has a VM, and which are in the way of another one."""

from __future__ import annotations

from collections.abc import Collection

from hostler.errors import Conflict
from hostler.jobs.models import Job, JobState
from hostler.machines.models import Machine


async def running_job_of(machine_id: int) -> Job | None:
    """The job that the VM is busy with."""
    return await Job.get_or_none(vm_id=machine_id, state=JobState.RUNNING.value)


async def is_free(machine: Machine, supersedes: Collection[str] = ()) -> bool:
    """Whether no job is in the way of one that ``supersedes`` these actions."""
    holder = await _holder(machine, supersedes)
    return holder is None or holder.action in supersedes


async def require_free(machine: Machine, supersedes: Collection[str] = ()) -> Job | None:
    """Answer the job that is to give way to one that ``supersedes`` these actions, None where the VM is free.

    Raises `Conflict`, which names it, if a job is in the way.
    """
    job = await _holder(machine, supersedes)
    if job is not None and job.action not in supersedes:
        verb = job.action.removeprefix("vm_").replace("_", "-")
        raise Conflict(f"VM '{machine.name}' has an operation in progress: {verb} (job {job.id})", code="vm_busy")
    return job


async def _holder(machine: Machine, supersedes: Collection[str]) -> Job | None:
    if supersedes:  # it does not queue behind those that wait
        return await running_job_of(machine.id)
    still = await Job.filter(vm_id=machine.id, finished_at__isnull=True).order_by("id")
    return next((job for job in still if job.state == JobState.RUNNING.value), next(iter(still), None))
