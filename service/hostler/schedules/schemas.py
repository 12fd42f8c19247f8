# SPDX-License-Identifier: GPL-3.0-or-later
"""The bodies of the schedule routes."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StrictBool, field_validator

from hostler.bodies import RequestBody, ResponseBody, Timestamp
from hostler.bulk.schemas import ManyBody
from hostler.schedules.models import Missed, Outcome, Overlap, Schedule
from hostler.schedules.times import UnreadableTimes, checked_cron, checked_time_zone, times_of

T = TypeVar("T")

LONGEST_GRACE_SECONDS = 86400
_FIRST_YEAR, _LAST_YEAR = 2000, 2999
_SHOWN_RUNS = 5
_ISO_8601 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]", re.ASCII)


def _is_text(value: Any) -> Any:
    # a number would be seconds since 1970, which nobody means to send
    if not isinstance(value, str) or not _ISO_8601.match(value):
        raise ValueError("it should be a time in ISO 8601 with its zone, such as 2030-01-31T22:00:00Z")
    return value


def _in_utc(moment: datetime) -> datetime:
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise ValueError(f"its year should be from {_FIRST_YEAR} to {_LAST_YEAR}")
    return moment.astimezone(UTC)


Name = Annotated[
    str,
    Field(
        description="Unique: letters, digits and . _ -, at most 63, beginning with a letter or digit",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        min_length=1,
        max_length=63,
        examples=["nightly"],
    ),
]
Description = Annotated[str, Field(description="Free text", max_length=1000)]
At = Annotated[
    AwareDatetime,
    BeforeValidator(_is_text),
    AfterValidator(_in_utc),
    Field(description="When it runs, once; a time with its zone, to come", examples=["2030-01-31T22:00:00Z"]),
]
Cron = Annotated[
    str,
    AfterValidator(checked_cron),
    Field(
        description="When it runs: minute, hour, day of the month, month, day of the week",
        max_length=200,
        examples=["30 2 * * *"],
    ),
]
TimeZone = Annotated[
    str,
    AfterValidator(checked_time_zone),
    Field(description="In which cron is read, an IANA name", max_length=64, examples=["Europe/Berlin"]),
]
Do = Annotated[ManyBody, Field(description="As a body of POST /api/vms/actions; a filter is looked at at each run")]
Keep = Annotated[
    int | None,
    Field(
        description="Of snapshot: how many that it has taken each VM keeps; null for all", ge=1, le=1000, strict=True
    ),
]
Grace = Annotated[
    int,
    Field(
        description="How late a run may begin and not be missed, in seconds",
        ge=0,
        le=LONGEST_GRACE_SECONDS,
        strict=True,
    ),
]
MissedRuns = Annotated[
    Missed, Field(description="What becomes of runs whose time passed while no service was there, or in a pause")
]
Overlapping = Annotated[Overlap, Field(description="What becomes of a run while the last one still goes")]


class ScheduleBody(RequestBody):
    """A new schedule: what it does, and either at one time or at those of a cron expression."""

    name: Name
    description: Description = ""
    at: At | None = None
    cron: Cron | None = None
    time_zone: TimeZone | None = Field(default=None, description="In which cron is read, an IANA name; UTC if left out")
    do: Do
    keep: Keep = None
    missed: MissedRuns = Missed.SKIP
    grace_seconds: Grace = 300
    overlap: Overlapping = Overlap.SKIP
    paused: Annotated[StrictBool, Field(description="Whether it waits to be resumed")] = False


class ScheduleChange(RequestBody):
    """What is to be different about a schedule: what is left out stays; `at` and `cron` take each other's place."""

    name: Name | None = None
    description: Description | None = None
    at: At | None = None
    cron: Cron | None = None
    time_zone: TimeZone | None = None
    do: Do | None = None
    keep: Keep = None
    missed: MissedRuns | None = None
    grace_seconds: Grace | None = None
    overlap: Overlapping | None = None

    @field_validator("name", "description", "at", "cron", "time_zone", "do", "missed", "grace_seconds", "overlap")
    @classmethod
    def _is_something(cls, value: T) -> T:
        if value is None:
            raise ValueError("leave it out, where it is to stay")
        return value


class State(StrEnum):
    """How a schedule is."""

    WAITING = "waiting"
    """For its next run."""
    PAUSED = "paused"
    DONE = "done"
    """It has run for the last time."""


class LastTime(ResponseBody):
    """What became of a schedule's run when its time had last come."""

    outcome: Outcome
    detail: str | None = Field(description="More of it, in one sentence")
    at: Timestamp


class ScheduleShown(ResponseBody):
    """A schedule."""

    id: int
    name: str
    description: str
    owner: str = Field(description="Who made it or changed it last: its jobs are asked for in that name")
    at: Timestamp | None
    cron: str | None
    time_zone: str | None = Field(description="In which cron is read")
    do: dict[str, Any]
    keep: int | None
    missed: Missed
    grace_seconds: int
    overlap: Overlap
    state: State
    paused_reason: str | None = Field(description="Why the service itself has paused it, in one sentence")
    next_run_at: Timestamp | None = Field(description="Null while it is paused, and when it is done")
    last_run_at: Timestamp | None = Field(description="When a job of it was last made")
    last_job_id: int | None
    last_time: LastTime | None
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, schedule: Schedule) -> ScheduleShown:
        """Show a row."""
        return cls(**_fields(schedule))


class ScheduleInFull(ScheduleShown):
    """A schedule, with its next times."""

    next_runs: list[Timestamp] = Field(
        description="The next five, as far as there are so many; none while it is paused"
    )

    @classmethod
    def with_runs(cls, schedule: Schedule) -> ScheduleInFull:
        """Show a row, and when it runs next."""
        return cls(**_fields(schedule), next_runs=_next_runs(schedule))


def _next_runs(schedule: Schedule) -> list[datetime]:
    if schedule.paused or schedule.next_run_at is None:
        return []
    try:
        later = times_of(schedule).several_after(schedule.next_run_at, _SHOWN_RUNS - 1)
    except UnreadableTimes:  # it says so when its time comes
        later = []
    return [schedule.next_run_at, *later]


def _fields(schedule: Schedule) -> dict[str, Any]:
    state = State.PAUSED if schedule.paused else State.DONE if schedule.next_run_at is None else State.WAITING
    own = ("id", "name", "description", "at", "cron", "do", "keep", "missed", "grace_seconds", "overlap")
    more = ("paused_reason", "last_run_at", "last_job_id", "created_at", "updated_at")
    last_time = None
    if schedule.outcome is not None and schedule.outcome_at is not None:
        last_time = LastTime(outcome=Outcome(schedule.outcome), detail=schedule.outcome_detail, at=schedule.outcome_at)
    return {name: getattr(schedule, name) for name in (*own, *more)} | {
        "owner": schedule.owner_name,
        "time_zone": None if schedule.cron is None else schedule.time_zone,
        "state": state,
        "next_run_at": None if schedule.paused else schedule.next_run_at,
        "last_time": last_time,
    }
