# SPDX-License-Identifier: GPL-3.0-or-later
"""Making the runs whose time has come: each in one transaction, which also says when the next one is.

So a run is neither lost nor made twice, whatever is killed, and however many services there are: who gets to lock the
schedule's row makes the run, and the others pass it by.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import structlog
from tortoise.transactions import in_transaction

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec
from hostler.audit.origin import SERVICE, acting
from hostler.audit.record import record
from hostler.bodies import zulu
from hostler.database import rows
from hostler.errors import BadRequest
from hostler.events.record import Kind
from hostler.jobs.turns import moved
from hostler.schedules.models import Missed, Outcome, Schedule
from hostler.schedules.runs import CanNotRun, begin, body_of, meant_by, noted, owner_of, unfinished_run
from hostler.schedules.shown_to_audit import target_of
from hostler.schedules.telling import tell
from hostler.schedules.times import UnreadableTimes, times_of
from hostler.settings import Settings

log = structlog.get_logger(__name__)

_DUE = "SELECT id FROM schedule WHERE NOT paused AND next_run_at <= ? ORDER BY next_run_at, id"


async def due(now: datetime) -> list[int]:
    """The ids of the schedules whose time has come, the one that has waited longest first."""
    return [row["id"] for row in await rows(_DUE, now)]


async def attend_to(schedule_id: int, settings: Settings, now: datetime) -> Outcome | None:
    """Make the run of a schedule whose time has come, or note why not, and say when the next one is.

    None where another has done so, or does.
    """
    async with in_transaction():
        locked = Schedule.select_for_update(skip_locked=True)
        schedule = await locked.get_or_none(id=schedule_id, paused=False, next_run_at__lte=now)
        if schedule is None:
            return None
        changes = await _settled(schedule, settings, now)
        await Schedule.filter(id=schedule.id).update(**changes)
        await tell(Kind.SCHEDULE_CHANGED, schedule.id)
        if changes.get("paused"):
            record(
                "schedule.pause",
                target=target_of(schedule),
                before={"paused": False},
                after={"paused": True},
                details={"reason": changes["paused_reason"]},
                by=SERVICE,
            )
    outcome = Outcome(changes["outcome"])
    if outcome is Outcome.BEGUN:
        moved()
    log.info(
        "schedule.due",
        schedule=schedule.id,
        outcome=outcome.value,
        job=changes.get("last_job_id"),
        reason=changes["outcome_detail"],
    )
    return outcome


def passed_by(schedule: Schedule, now: datetime) -> dict[str, Any] | None:
    """What is to be noted where the time of its next run has passed and that is to be left out; None where it is not.

    Raises `UnreadableTimes`.
    """
    due_at, times = schedule.next_run_at, times_of(schedule)
    if due_at is None or due_at > now or schedule.missed != Missed.SKIP.value:
        return None
    if times.is_in_time(due_at, now, schedule.grace_seconds):
        return None
    detail = f"What was due from {zulu(due_at)} on was left out"
    return {"next_run_at": times.after(now), **noted(Outcome.MISSED, detail, now)}


async def _settled(schedule: Schedule, settings: Settings, now: datetime) -> dict[str, Any]:
    """Make the run, if there is to be one; answer what changes in the schedule's row."""
    try:
        passed = passed_by(schedule, now)
        if passed is not None:
            return passed
        caller, body = await owner_of(schedule), body_of(schedule)
        following = {"next_run_at": times_of(schedule).after(now)}
        unfinished = await unfinished_run(schedule)
        if unfinished is not None:
            detail = f"Its last run, job {unfinished.id}, was still going"
            return {**following, **noted(Outcome.OVERLAPPED, detail, now)}
        try:
            vms, left_out = await meant_by(body)
        except BadRequest as error:
            if error.code != "no_vms":
                raise
            return {**following, **noted(Outcome.NO_VMS, error.message, now)}
        with acting(SERVICE.by(caller)):
            _, last = await begin(settings, caller, schedule, body, vms, now)
    except (CanNotRun, UnreadableTimes, BadRequest, InvalidSpec) as error:
        # its time stays what it was: whoever resumes it decides by `missed` what becomes of that
        reason = str(error)
        return {"paused": True, "paused_reason": reason, **noted(Outcome.REFUSED, reason, now)}
    assert schedule.next_run_at is not None  # noqa: S101 - it was found by that
    late = None
    if not times_of(schedule).is_in_time(schedule.next_run_at, now, schedule.grace_seconds):
        late = f"It stands for all that was due from {zulu(schedule.next_run_at)} on"
    said = "; ".join(one for one in (late, left_out) if one) or None
    return {**following, **last, "owner_name": caller.name, **noted(Outcome.BEGUN, said, now)}
