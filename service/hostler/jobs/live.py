# SPDX-License-Identifier: GPL-3.0-or-later
"""A job as it goes: its steps and the lines of its log, from wherever its reader left off to its end.

The job's rows say it all, so whoever comes late gets what was there before, and whoever comes again what is new since.
The id of an event says how far its reader has got: the last line's id, and a letter for the state of each step.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace

from hostler.bodies import ResponseBody
from hostler.events.sse import frame, heartbeat, opening
from hostler.events.streams import HEARTBEAT_SECONDS
from hostler.jobs.models import Job, JobLog, JobState, JobStep, StepState
from hostler.jobs.readers import reading
from hostler.jobs.schemas import JobShown, LineShown, StepShown

END = "end"
"""The last event, and its id: a client that comes again with it has nothing more to get."""

PLACE_PATTERN = r"^(end|\d{1,18}\.[prsfk]{0,2000})$"

_LOOK_SECONDS = 1.0  # for jobs of other processes
_LINES = 500
_LETTERS = {
    StepState.PENDING.value: "p",
    StepState.RUNNING.value: "r",
    StepState.SUCCEEDED.value: "s",
    StepState.FAILED.value: "f",
    StepState.SKIPPED.value: "k",
}
_OPEN = (JobState.QUEUED.value, JobState.RUNNING.value)


@dataclass(frozen=True, slots=True)
class Place:
    """How far somebody has read: the id of the last line, and the letters of the steps, in their order."""

    line: int = 0
    steps: str = ""

    @classmethod
    def of(cls, event_id: str) -> Place:
        """The place that an event's id names, one of `PLACE_PATTERN`."""
        line, _, steps = event_id.partition(".")
        return cls(int(line), steps)

    def __str__(self) -> str:
        return f"{self.line}.{self.steps}"


async def follow(job_id: int, place: Place) -> AsyncGenerator[bytes]:
    """The job, its steps and lines after ``place`` as events, until it has ended and all is told."""
    shown: JobShown | None = None
    quiet_since = time.monotonic()
    yield opening(str(place))
    with reading(job_id) as woken:
        while True:
            woken.clear()
            # read first: what belongs to a job that has ended was written before its end
            job = await Job.get(id=job_id)
            told_now = []
            now = JobShown.of(job)
            if now != shown:
                shown = now
                told_now.append(_event("job", now, place))
            async for event, reached in _news(job_id, place):
                place = reached
                told_now.append(event)
                if len(told_now) >= _LINES:
                    yield b"".join(told_now)
                    told_now = []
            if job.state not in _OPEN:
                told_now.append(frame(END, _json(now), END))
            if told_now:
                yield b"".join(told_now)
                quiet_since = time.monotonic()
            elif time.monotonic() - quiet_since >= HEARTBEAT_SECONDS:
                yield heartbeat(str(place))
                quiet_since = time.monotonic()
            if job.state not in _OPEN:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await woken.wait()


async def _news(job_id: int, place: Place) -> AsyncGenerator[tuple[bytes, Place]]:
    """What is new since ``place``, each with the place that it leads to."""
    for step in await JobStep.filter(job_id=job_id).order_by("position"):
        known, letter = place.steps[step.position : step.position + 1], _LETTERS[step.state]
        if letter != known:
            place = replace(place, steps=place.steps[: step.position] + letter + place.steps[step.position + 1 :])
            yield _event("step", StepShown.model_validate(step), place), place
    while lines := await JobLog.filter(job_id=job_id, id__gt=place.line).order_by("id").limit(_LINES):
        for line in lines:
            place = replace(place, line=line.id)
            yield _event("line", LineShown.model_validate(line), place), place


def _event(kind: str, shown: ResponseBody, place: Place) -> bytes:
    return frame(kind, _json(shown), str(place))


def _json(shown: ResponseBody) -> str:
    return json.dumps(shown.model_dump(mode="json"), separators=(",", ":"))
