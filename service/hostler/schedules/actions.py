# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done to schedules, whoever asks: the routes and the command line."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tortoise.exceptions import IntegrityError
from tortoise.transactions import in_transaction

from hostler.audit.models import Outcome as AuditOutcome
from hostler.audit.record import changes as differences
from hostler.audit.record import record
from hostler.bulk.actions import parameters_of, rehearsed, vms_of
from hostler.bulk.schemas import ManyBody, ManyDryRun
from hostler.dispatch import Action
from hostler.errors import BadRequest, Conflict, FieldProblem, InvalidRequest, NotFound
from hostler.events.record import Kind
from hostler.jobs.family import ACTION_ON_MANY
from hostler.jobs.models import Job
from hostler.jobs.turns import moved
from hostler.machines.asked import Asked
from hostler.permission import Caller
from hostler.schedules.due import passed_by
from hostler.schedules.models import Outcome, Schedule
from hostler.schedules.runs import CanNotRun, begin, body_of, meant_by, noted, owner_of, unfinished_run
from hostler.schedules.shown_to_audit import audited, target_of
from hostler.schedules.telling import tell
from hostler.schedules.times import Times, UnreadableTimes, times_of
from hostler.settings import Settings

MOST = 1000
"""Schedules that there may be."""

_TIMES = ("at", "cron", "time_zone")


async def get_schedule(schedule_id: int) -> Schedule:
    """Return a schedule; raises NotFound."""
    return _found(schedule_id, await Schedule.get_or_none(id=schedule_id))


async def create(fields: Mapping[str, Any], do: ManyBody, owner: Caller, settings: Settings) -> Schedule:
    """Make a schedule of ``fields``, whose runs are in the name of ``owner``.

    Raises `InvalidRequest`, `BadRequest` for VMs that are not there, `Conflict` for a name that is taken.
    """
    now = datetime.now(UTC)
    times, next_run_at = _checked_times(None, fields, now)
    _require_snapshots(fields["keep"], do)
    await _require_doable(do, settings)
    if await Schedule.all().count() >= MOST:
        raise Conflict(f"There are {MOST} schedules, and no more than that can be made", code="too_many_schedules")
    try:
        async with in_transaction():
            schedule = await Schedule.create(
                **{name: value for name, value in fields.items() if name not in _TIMES},
                **_columns_of(times),
                uid=secrets.token_hex(8),
                do=_stored(do),
                owner_id=owner.user_id,
                owner_name=owner.name,
                next_run_at=next_run_at,
            )
            record("schedule.create", target=target_of(schedule), after=audited(schedule))
            await tell(Kind.SCHEDULE_CREATED, schedule.id)
            return schedule
    except IntegrityError:
        raise _name_taken(fields["name"]) from None


async def change(
    schedule: Schedule, fields: Mapping[str, Any], do: ManyBody | None, by: Caller, settings: Settings
) -> Schedule:
    """Change what ``fields`` name, and what it does where ``do`` says so; it is theirs who has changed it.

    Raises as `create`.
    """
    now = datetime.now(UTC)
    changes: dict[str, Any] = {name: value for name, value in fields.items() if name not in _TIMES}
    if do is not None:
        await _require_doable(do, settings)
        changes["do"] = _stored(do)
    try:
        async with in_transaction():
            locked = await _locked(schedule)
            if any(name in fields for name in _TIMES):
                times, next_run_at = _checked_times(times_of(locked), fields, now)
                changes |= {**_columns_of(times), "next_run_at": next_run_at}
            if do is not None or "keep" in fields:
                _require_snapshots(changes.get("keep", locked.keep), do or _stored_body(locked))
            changes |= {"owner_id": by.user_id, "owner_name": by.name, "updated_at": now}
            return await _update(locked, "schedule.change", changes)
    except IntegrityError:
        raise _name_taken(str(fields.get("name"))) from None


async def pause(schedule: Schedule) -> Schedule:
    """Make no run until it is resumed; what runs goes on."""
    async with in_transaction():
        locked = await _locked(schedule)
        if locked.paused:
            return locked
        changes = {"paused": True, "paused_reason": None, "updated_at": datetime.now(UTC)}
        return await _update(locked, "schedule.pause", changes)


async def resume(schedule: Schedule) -> Schedule:
    """Go on: what was due in the pause is left out, or made up for, as the schedule says of what it misses.

    Raises `BadRequest` where its owner can't ask for a run, or it can't run at all.
    """
    now = datetime.now(UTC)
    async with in_transaction():
        locked = await _locked(schedule)
        if not locked.paused:
            return locked
        try:
            await owner_of(locked)
            changes = passed_by(locked, now) or {}
        except (CanNotRun, UnreadableTimes) as error:
            message = f"{error}; whoever changes the schedule becomes its owner"
            raise BadRequest(message, code="schedule_can_not_run") from None
        changes |= {"paused": False, "paused_reason": None, "updated_at": now}
        return await _update(locked, "schedule.resume", changes)


async def delete(schedule: Schedule) -> None:
    """Make no run any more; what it has begun goes on, and its snapshots stay."""
    async with in_transaction():
        locked = await _locked(schedule)
        await tell(Kind.SCHEDULE_DELETED, locked.id)
        await locked.delete()
        record("schedule.delete", target=target_of(locked), before=audited(locked))


async def run_now(schedule: Schedule, asked: Asked, settings: Settings) -> Job | ManyDryRun:
    """Make a run now, in the name of who asks, beside those that are due; answer its job.

    Raises `Conflict` while the last run still goes, unless runs may overlap, `BadRequest` where no VM is meant.
    """
    now = datetime.now(UTC)
    attempt = asked.attempt_at(ACTION_ON_MANY, {"schedule": schedule.id})
    first = None if attempt is None else await attempt.first()
    if first is not None:
        return first
    try:
        async with in_transaction():
            locked = await _locked(schedule)
            first = None if attempt is None else await attempt.first()
            if first is not None:  # the same request, which was quicker
                return first
            body = _stored_body(locked)
            vms, left_out = await meant_by(body)
            if asked.dry_run:
                return rehearsed(body, vms)
            unfinished = await unfinished_run(locked)
            if unfinished is not None:
                raise Conflict(f"Its last run, job {unfinished.id}, still goes", code="schedule_runs")
            job, changes = await begin(settings, asked.caller, locked, body, vms, now, attempt)
            changes |= noted(Outcome.BEGUN, left_out, now)
            await Schedule.filter(id=locked.id).update(**changes)
            await tell(Kind.SCHEDULE_CHANGED, locked.id)
            record("schedule.run", AuditOutcome.ACCEPTED, target=target_of(locked), details={"job_id": job.id})
    except IntegrityError:
        first = None if attempt is None else await attempt.first()  # the same request, which was quicker
        if first is None:
            raise
        return first
    moved()
    return job


async def _update(locked: Schedule, action: str, changes: Mapping[str, Any]) -> Schedule:
    """Change these columns in the caller's transaction, and have recorded what of them is different now."""
    await Schedule.filter(id=locked.id).update(**changes)
    changed = await get_schedule(locked.id)
    before, after = differences(audited(locked), audited(changed))
    if after:
        record(action, target=target_of(changed), before=before, after=after)
        await tell(Kind.SCHEDULE_CHANGED, changed.id)
    return changed


async def _locked(schedule: Schedule) -> Schedule:
    return _found(schedule.id, await Schedule.select_for_update().get_or_none(id=schedule.id))


def _found(schedule_id: int, schedule: Schedule | None) -> Schedule:
    if schedule is None:
        raise NotFound(f"Schedule with ID {schedule_id} not found", code="schedule_not_found")
    return schedule


def _stored(do: ManyBody) -> dict[str, Any]:
    return do.model_dump(mode="json", exclude_unset=True)


def _stored_body(schedule: Schedule) -> ManyBody:
    try:
        return body_of(schedule)
    except CanNotRun as error:
        raise BadRequest(str(error), code="schedule_can_not_run") from None


def _checked_times(known: Times | None, fields: Mapping[str, Any], now: datetime) -> tuple[Times, datetime]:
    """When it runs by ``fields``, where they say nothing as was ``known``, and the next time."""
    at, cron, zone = (fields.get(name) for name in _TIMES)
    if at is not None and cron is not None:
        raise _invalid("it runs either at one time or by a cron expression", "at", "cron")
    if at is None and cron is None:
        if known is None:
            raise _invalid("say when it runs, at one time or by a cron expression", "at", "cron")
        at, cron = known.at, known.cron
    if at is not None:
        if zone is not None:
            raise _invalid("it goes with 'cron' only: the time of 'at' has its own", "time_zone")
        if at <= now:
            raise _invalid("it has passed already", "at")
        return Times(at, None, "UTC"), at
    times = Times(None, cron, zone or (known.time_zone if known is not None else "UTC"))
    next_run_at = times.after(now)
    if next_run_at is None:
        raise _invalid("there is no such time in the next 50 years", "cron")
    return times, next_run_at


def _columns_of(times: Times) -> dict[str, Any]:
    return {name: getattr(times, name) for name in _TIMES}


def _require_snapshots(keep: int | None, do: ManyBody) -> None:
    if keep is not None and do.job_action is not Action.SNAPSHOT:
        raise _invalid("it goes with the action snapshot only", "keep")


async def _require_doable(do: ManyBody, settings: Settings) -> None:
    """Raise what a run would, now; but for a filter, which may mean VMs later."""
    parameters_of(settings, do)
    if do.ids is None:
        return
    try:
        await vms_of(do)
    except BadRequest as error:
        problems = [replace(one, field=f"do.{one.field}") for one in error.errors]
        raise BadRequest(error.message, code=error.code, errors=problems) from None


def _invalid(message: str, *fields: str) -> InvalidRequest:
    named = ", ".join(f"'{field}'" for field in fields)
    problems = [FieldProblem(field, message) for field in fields]
    return InvalidRequest(f"The request is not valid: {named}: {message}", errors=problems)


def _name_taken(name: str) -> Conflict:
    message = f"A schedule named '{name}' exists already"
    return Conflict(message, code="name_taken", errors=[FieldProblem("name", message)])
