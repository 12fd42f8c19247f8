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
    return await _in_the_way(machine, supersedes) is None


async def require_free(machine: Machine, supersedes: Collection[str] = ()) -> None:
    """Raise `Conflict`, which names it, if a job is in the way of one that ``supersedes`` these actions."""
    job = await _in_the_way(machine, supersedes)
    if job is not None:
        verb = job.action.removeprefix("vm_").replace("_", "-")
        raise Conflict(f"VM '{machine.name}' has an operation in progress: {verb} (job {job.id})", code="vm_busy")


async def _in_the_way(machine: Machine, supersedes: Collection[str]) -> Job | None:
    job = await running_job_of(machine.id)
    if job is None and not supersedes:  # what supersedes others does not queue behind those that wait, either
        job = await Job.filter(vm_id=machine.id, finished_at__isnull=True).order_by("id").first()
    return None if job is None or job.action in supersedes else job
