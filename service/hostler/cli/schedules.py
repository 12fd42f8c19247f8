# SPDX-License-Identifier: GPL-3.0-or-later
"""``hostler schedule``: what is done to VMs at a time; with a service or without one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hostler.cli.running import run
from hostler.cli.table import show_table

if TYPE_CHECKING:
    from hostler.schedules.models import Schedule

app = typer.Typer(help="Manage schedules.", no_args_is_help=True)

ScheduleId = Annotated[int, typer.Argument(min=1, max=2**31 - 1, help="Its id, as 'hostler schedule list' shows it.")]


@app.command("list")
def list_schedules() -> None:
    """List the schedules, and how they are."""
    from hostler.bodies import zulu
    from hostler.schedules.models import Schedule
    from hostler.schedules.schemas import ScheduleShown

    async def work() -> list[Schedule]:
        return await Schedule.all().order_by("id")

    show_table(
        ("ID", "NAME", "OWNER", "WHEN", "DOES", "STATE", "NEXT RUN", "LAST TIME", "REASON"),
        [
            (
                schedule.id,
                schedule.name,
                schedule.owner,
                f"{schedule.cron} {schedule.time_zone}" if schedule.at is None else zulu(schedule.at),
                schedule.do.get("action", "-"),
                schedule.state,
                zulu(schedule.next_run_at) if schedule.next_run_at else "-",
                schedule.last_time.outcome if schedule.last_time else "-",
                schedule.paused_reason or (schedule.last_time.detail if schedule.last_time else None) or "-",
            )
            for schedule in map(ScheduleShown.of, run(work()))
        ],
    )


@app.command("pause")
def pause(schedule_id: ScheduleId) -> None:
    """Make no run until it is resumed."""
    from hostler.schedules import actions

    async def work() -> Schedule:
        return await actions.pause(await actions.get_schedule(schedule_id))

    run(work())
    typer.echo(f"Schedule {schedule_id} paused")


@app.command("resume")
def resume(schedule_id: ScheduleId) -> None:
    """Go on; the schedule says what becomes of runs that were due in the pause."""
    from hostler.bodies import zulu
    from hostler.schedules import actions

    async def work() -> Schedule:
        return await actions.resume(await actions.get_schedule(schedule_id))

    schedule = run(work())
    following = "it has no more runs" if schedule.next_run_at is None else f"next run {zulu(schedule.next_run_at)}"
    typer.echo(f"Schedule {schedule_id} resumed, {following}")


@app.command("delete")
def delete(schedule_id: ScheduleId) -> None:
    """Make no run any more; what it has begun goes on, and its snapshots stay."""
    from hostler.schedules import actions

    async def work() -> None:
        await actions.delete(await actions.get_schedule(schedule_id))

    run(work())
    typer.echo(f"Schedule {schedule_id} deleted")
