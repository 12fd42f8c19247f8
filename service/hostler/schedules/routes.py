# SPDX-License-Identifier: GPL-3.0-or-later
"""``/api/schedules``: what is done to VMs at a time, or again and again."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Request
from fastapi.responses import JSONResponse

from hostler.bodies import Done
from hostler.bulk.schemas import ManyDryRun
from hostler.jobs.accepted import ACCEPTED
from hostler.jobs.crew import StillRunning
from hostler.machines.asked import AskedUnderKey
from hostler.paging import Page, Paging, fetch_page
from hostler.permission import CALLER, Caller, Permission, Requires, decide
from hostler.routing import Router
from hostler.schedules import actions
from hostler.schedules.models import Schedule
from hostler.schedules.schemas import ScheduleBody, ScheduleChange, ScheduleInFull, ScheduleShown
from hostler.settings import Settings

router = Router(prefix="/api/schedules", tags=["schedules"])

Reader = Annotated[Caller, Requires("read")]
Writer = Annotated[Caller, Requires("write")]


async def _schedule(schedule_id: Annotated[int, Path(description="The schedule's id", ge=1, le=2**31 - 1)]) -> Schedule:
    return await actions.get_schedule(schedule_id)


ScheduleOf = Annotated[Schedule, Depends(_schedule)]


async def _own_schedule(request: Request, schedule: ScheduleOf) -> Schedule:
    decide(request.scope[CALLER], Permission.WRITE, schedule)
    return schedule


OwnSchedule = Annotated[Schedule, Depends(_own_schedule)]
"""A schedule that is the caller's, or an administrator's to change."""


async def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


SettingsOf = Annotated[Settings, Depends(_settings)]


@router.get("", summary="List schedules")
async def list_schedules(caller: Reader, paging: Paging) -> Page[ScheduleShown]:
    """Schedules in the order of their ids."""
    found, total = await fetch_page(Schedule.all(), paging)
    return Page.of([ScheduleShown.of(schedule) for schedule in found], total, paging)


@router.post("", status_code=201, summary="Create a schedule")
async def create_schedule(caller: Writer, settings: SettingsOf, body: ScheduleBody) -> ScheduleInFull:
    """Have an action done on VMs at a time, or at the times of a cron expression, in the caller's name."""
    fields = body.model_dump(exclude={"do"})
    return ScheduleInFull.with_runs(await actions.create(fields, body.do, caller, settings))


@router.get("/{schedule_id}", summary="Show a schedule")
async def show_schedule(caller: Reader, schedule: ScheduleOf) -> ScheduleInFull:
    """One schedule: what it does, its next five runs, and what became of the last."""
    return ScheduleInFull.with_runs(schedule)


@router.put("/{schedule_id}", summary="Change a schedule")
async def change_schedule(
    caller: Writer, settings: SettingsOf, schedule: OwnSchedule, body: ScheduleChange
) -> ScheduleInFull:
    """Change what the body names. From then on its runs are in the caller's name."""
    fields = body.model_dump(exclude={"do"}, exclude_unset=True)
    return ScheduleInFull.with_runs(await actions.change(schedule, fields, body.do, caller, settings))


@router.delete("/{schedule_id}", summary="Delete a schedule")
async def delete_schedule(caller: Writer, schedule: OwnSchedule) -> Done:
    """Make no run any more. What it has begun goes on, and snapshots that it has taken stay."""
    await actions.delete(schedule)
    return Done(message=f"Schedule {schedule.id} deleted successfully")


@router.post("/{schedule_id}/pause", summary="Pause a schedule")
async def pause_schedule(caller: Writer, schedule: OwnSchedule) -> ScheduleInFull:
    """Make no run until it is resumed. What it has begun goes on."""
    return ScheduleInFull.with_runs(await actions.pause(schedule))


@router.post("/{schedule_id}/resume", summary="Resume a schedule")
async def resume_schedule(caller: Writer, schedule: OwnSchedule) -> ScheduleInFull:
    """Go on. Of runs that were due in the pause none is made up for, or with `missed` `run_once` one for all."""
    return ScheduleInFull.with_runs(await actions.resume(schedule))


@router.post(
    "/{schedule_id}/run",
    status_code=202,
    summary="Run a schedule now",
    responses={**ACCEPTED, 200: {"model": ManyDryRun, "description": "With `dry_run=true`: which VMs are meant"}},
)
async def run_schedule(
    caller: Writer, settings: SettingsOf, schedule: OwnSchedule, asked: AskedUnderKey
) -> JSONResponse:
    """Make a run now, in the caller's name, beside those that are due; the answered job is the parent of the VMs'."""
    outcome = await actions.run_now(schedule, asked, settings)
    if isinstance(outcome, ManyDryRun):
        return JSONResponse(outcome.model_dump(mode="json"))
    raise StillRunning(outcome, asked.preference.respond_async)
