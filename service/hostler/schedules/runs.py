# SPDX-License-Identifier: GPL-3.0-or-later
"""Making a run of a schedule: its action on the VMs that are meant by now, as jobs, and the note of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from hostler.accounts.models import User
from hostler.bulk.actions import Many, parameters_of, rows_of, vms_of, write_down
from hostler.bulk.schemas import ManyBody
from hostler.dispatch import Action
from hostler.errors import BadRequest
from hostler.jobs.idempotency import Attempt
from hostler.jobs.models import Job
from hostler.machines.models import Machine
from hostler.machines.snapshot_name import LONGEST_PREFIX
from hostler.permission import Caller, Credential, Permission, known_permissions
from hostler.schedules.models import Outcome, Overlap, Schedule
from hostler.settings import Settings


class CanNotRun(Exception):
    """A schedule can't run any more as it is; the message says why, in a sentence."""


def body_of(schedule: Schedule) -> ManyBody:
    """What is to be done; raises `CanNotRun` for what only another version of the service has let in."""
    try:
        return ManyBody.model_validate(schedule.do)
    except ValidationError:
        raise CanNotRun("What it is to do is nothing that this service can do") from None


async def owner_of(schedule: Schedule) -> Caller:
    """Who asks for its runs, with what the owner may do by now; raises `CanNotRun`."""
    owner = None if schedule.owner_id is None else await User.get_or_none(id=schedule.owner_id)
    if owner is None:
        raise CanNotRun(f"Its owner '{schedule.owner_name}' is no user any more")
    permissions = known_permissions(owner.permissions)
    if not owner.enabled:
        raise CanNotRun(f"Its owner '{owner.username}' is disabled")
    if Permission.WRITE not in permissions:
        raise CanNotRun(f"Its owner '{owner.username}' may not write any more")
    return Caller(owner.id, owner.username, permissions, Credential.SCHEDULE)


async def meant_by(body: ManyBody) -> tuple[list[Machine], str | None]:
    """The VMs that are meant by now, and what is to be said of that; of those that are named the ones that are there.

    Raises `BadRequest` for none, and for too many.
    """
    if body.ids is None:
        return await vms_of(body), None
    there = await rows_of(sorted(set(body.ids)))
    if not there:
        raise BadRequest("None of its VMs is there any more", code="no_vms")
    gone = sorted(set(body.ids) - {vm.id for vm in there})
    few = ", ".join(str(number) for number in gone[:10]) + (" ..." if len(gone) > 10 else "")
    return there, f"VMs that are gone were left out: {few}" if gone else None


async def unfinished_run(schedule: Schedule) -> Job | None:
    """The job of its last run, where that is in the way of another one."""
    if schedule.overlap != Overlap.SKIP.value or schedule.last_job_id is None:
        return None
    return await Job.get_or_none(id=schedule.last_job_id, finished_at__isnull=True)


async def begin(
    settings: Settings,
    caller: Caller,
    schedule: Schedule,
    body: ManyBody,
    vms: Sequence[Machine],
    now: datetime,
    attempt: Attempt | None = None,
) -> tuple[Job, dict[str, Any]]:
    """Write the jobs down, in the caller's transaction; answer the one above them, and what is to be noted of it.

    Raises the core's `InvalidSpec` for a change that can be nowhere.
    """
    parameters = dict(parameters_of(settings, body))
    if body.job_action is Action.SNAPSHOT:
        named = {"name": schedule.name[:LONGEST_PREFIX], "description": f"Taken by schedule {schedule.name}"}
        asked = {} if body.snapshot is None else body.snapshot.model_dump(exclude_none=True)
        parameters |= named | asked | {"series": schedule.series}
        if schedule.keep is not None:
            parameters["keep"] = schedule.keep
    also = {"schedule": {"id": schedule.id, "name": schedule.name}}
    job = await write_down(settings, caller, Many(body, parameters, vms, also), attempt)
    return job, {"last_run_at": now, "last_job_id": job.id}


def noted(outcome: Outcome, detail: str | None, now: datetime) -> dict[str, Any]:
    """What a schedule's row says of what became of a run."""
    return {"outcome": outcome.value, "outcome_detail": detail, "outcome_at": now}
