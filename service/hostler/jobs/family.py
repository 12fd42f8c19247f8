# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs of many VMs: a parent, which is done when its children are, and says how they ended.

The parent is nobody's to carry out: whatever ends a child settles it in the same transaction, so it can't be lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from tortoise.functions import Count

from hostler.events.record import Kind, record_job, record_jobs
from hostler.jobs import audited
from hostler.jobs.models import Job, JobState

_BATCH = 500
_ENDED_WELL = JobState.SUCCEEDED.value
_OPEN = (JobState.QUEUED.value, JobState.RUNNING.value)

ACTION_ON_MANY = "vm_many"
"""The parent's action."""

STOPPED = "stopped_after_failures"
"""Error code of a child that was not begun, because too many of its siblings had failed."""


async def hold_parents(*parent_ids: int | None) -> None:
    """Lock the parents of jobs that are about to begin or to end; before the jobs, or two would wait for each other."""
    ids = {one for one in parent_ids if one is not None}
    if ids:
        await Job.filter(id__in=list(ids)).order_by("id").select_for_update()


async def may_begin(parent_id: int | None) -> bool:
    """Whether one more of its children may run; to be asked while the parent is held."""
    if parent_id is None:
        return True
    parent = await Job.get_or_none(id=parent_id, state=JobState.RUNNING.value, cancel_requested_at__isnull=True)
    if parent is None:
        return False
    running = await Job.filter(parent_id=parent_id, state=JobState.RUNNING.value).count()
    return parent.at_once is None or running < parent.at_once


async def settle_parent(parent_id: int | None) -> None:
    """A child has ended: count it, begin no more where too many have failed, and close the parent after the last one.

    To be called in the transaction that closes the child, and has begun by holding the parent.
    """
    parent = None if parent_id is None else await Job.get_or_none(id=parent_id, state=JobState.RUNNING.value)
    if parent is None:
        return
    counted = await _counted(parent.id)
    if parent.stop_after is not None and counted[JobState.FAILED.value] >= parent.stop_after:
        reason = f"{counted[JobState.FAILED.value]} others had failed before its turn"
        if await cancel_waiting(parent.id, STOPPED, reason):
            counted = await _counted(parent.id)
    total = sum(counted.values())
    done = total - sum(counted[state] for state in _OPEN)
    changes: dict[str, Any] = {
        "progress": 100 * done // total if total else 100,
        "progress_text": f"{done} of {total} VMs done",
        "result": _result(counted),
    }
    if done == total:
        changes |= _end(parent, counted, total)
    await Job.filter(id=parent.id).update(**changes)
    if done == total or changes["progress"] != parent.progress:  # of thousands each would be told of in full
        await record_job(Kind.JOB_CHANGED, parent.id)
    if done == total:
        state = JobState(changes["state"])
        audited.ended(parent, state, changes.get("error_code"), changes.get("error_detail"))


async def cancel_waiting(parent_id: int, code: str, detail: str) -> Sequence[int]:
    """Cancel the children whose turn has not come, in the caller's transaction; answers their ids."""
    now = datetime.now(UTC)
    waiting = await Job.filter(parent_id=parent_id, state=JobState.QUEUED.value).select_for_update()
    ids = [job.id for job in waiting]
    if ids:
        await Job.filter(id__in=ids).update(
            state=JobState.CANCELED.value, finished_at=now, error_code=code, error_detail=detail, sealed=None
        )
        for begin in range(0, len(ids), _BATCH):
            await record_jobs(Kind.JOB_CHANGED, ids[begin : begin + _BATCH])
        for job in waiting:
            audited.ended(job, JobState.CANCELED, code, detail)
    return ids


async def _counted(parent_id: int) -> Counter[str]:
    """How many children there are in each state."""
    found = (
        await Job.filter(parent_id=parent_id).annotate(number=Count("id")).group_by("state").values("state", "number")
    )
    return Counter({str(row["state"]): int(row["number"]) for row in found})


def _result(counted: Counter[str]) -> dict[str, int]:
    return {state.value: counted[state.value] for state in JobState}


def _end(parent: Job, counted: Counter[str], total: int) -> dict[str, Any]:
    changes: dict[str, Any] = {"finished_at": datetime.now(UTC), "state": JobState.SUCCEEDED.value}
    well = counted[_ENDED_WELL]
    if well == total:
        return changes
    if parent.cancel_requested_at is not None:
        detail = f"It was canceled when {well} of {total} VMs were done"
        return changes | {"state": JobState.CANCELED.value, "error_code": "canceled", "error_detail": detail}
    detail = f"{counted[JobState.FAILED.value]} of {total} VMs failed, {counted[JobState.CANCELED.value]} were left out"
    return changes | {"state": JobState.FAILED.value, "error_code": "some_failed", "error_detail": detail}
