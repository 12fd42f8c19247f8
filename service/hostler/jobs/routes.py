# SPDX-License-Identifier: GPL-3.0-or-later
"""``/api/jobs``: every write that was asked for, and what became of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Path, Query, Response

from hostler.bodies import StorableText
from hostler.engine import EngineOf
from hostler.errors import NotFound
from hostler.events.routes import TicketOf, stream_responses
from hostler.events.streams import EventStream, StandingOf, StreamsOf
from hostler.jobs import live
from hostler.jobs.accepted import ACCEPTED
from hostler.jobs.cancel import cancel
from hostler.jobs.crew import StillRunning
from hostler.jobs.models import Job, JobLog, JobState, JobStep
from hostler.jobs.schemas import JobInFull, JobShown
from hostler.paging import Page, Paging, fetch_page
from hostler.permission import Caller, Requires
from hostler.preference import PreferenceOf
from hostler.routing import Router

router = Router(prefix="/api/jobs", tags=["jobs"])

Reader = Annotated[Caller, Requires("read")]
Writer = Annotated[Caller, Requires("write")]
Follower = Annotated[Caller, Requires("read", stream=True)]
JobId = Annotated[int, Path(description="The job's id", ge=1, le=2**63 - 1)]

LONGEST_WAIT = 60
"""Most seconds that a client waits for a job's end in one request: proxies give up after that."""

LONGEST_LOG = 1000
"""How many of a job's last log lines are shown with it."""


@router.get("", summary="List jobs")
async def list_jobs(
    caller: Reader,
    paging: Paging,
    state: Annotated[JobState | None, Query(description="Only those in this state")] = None,
    vm_id: Annotated[int | None, Query(description="Only those of this VM", ge=1, le=2**31 - 1)] = None,
    server_id: Annotated[int | None, Query(description="Only those on this server", ge=1, le=2**31 - 1)] = None,
    parent_id: Annotated[
        int | None, Query(description="Only the parts of this job of many VMs", ge=1, le=2**63 - 1)
    ] = None,
    action: Annotated[
        StorableText | None, Query(description="Only those of this action, such as `vm_start`", max_length=32)
    ] = None,
    actor: Annotated[
        StorableText | None, Query(description="Only those that this user has asked for", max_length=64)
    ] = None,
) -> Page[JobShown]:
    """Jobs in the order of their ids."""
    wanted = {
        "state": None if state is None else state.value,
        "vm_id": vm_id,
        "server_id": server_id,
        "parent_id": parent_id,
        "action": action,
        "actor_name": actor,
    }
    query = Job.filter(**{name: value for name, value in wanted.items() if value is not None})
    found, total = await fetch_page(query, paging)
    return Page.of([JobShown.of(job) for job in found], total, paging)


@router.get("/{job_id}", summary="Show a job")
async def show_job(
    caller: Reader,
    engine: EngineOf,
    job_id: JobId,
    wait: Annotated[
        int, Query(description="Seconds to wait for its end, where it has not ended yet", ge=0, le=LONGEST_WAIT)
    ] = 0,
) -> JobInFull:
    """One job, with its steps and the end of its log; as it is, or with ``wait`` as soon as it has ended."""
    job = await _job(job_id)
    if wait:
        job = await engine.crew.watch(job, wait)
    steps = await JobStep.filter(job_id=job_id).order_by("position")
    lines = await JobLog.filter(job_id=job_id).order_by("-id").limit(LONGEST_LOG)
    return JobInFull.with_steps(job, steps, lines[::-1])


@router.get(
    "/{job_id}/events",
    summary="Follow a job",
    response_class=Response,  # errors stay JSON
    responses={
        **stream_responses("Events `job`, `step`, `line` and at last `end`, each with `data` as the job shows it"),
        204: {"description": "The client has got `end` already"},
    },
)
async def follow_job(
    caller: Follower,
    streams: StreamsOf,
    standing: StandingOf,
    job_id: JobId,
    last_event_id: Annotated[
        str | None,
        Query(description="Go on after this event, where the client has no header for it", pattern=live.PLACE_PATTERN),
    ] = None,
    last_event_id_header: Annotated[
        str | None, Header(alias="Last-Event-ID", description="Go on after this event", pattern=live.PLACE_PATTERN)
    ] = None,
    ticket: TicketOf = None,
) -> Response:
    """Server-sent events: the job's steps and the lines of its log, those from before first, up to its end."""
    await _job(job_id)
    after = last_event_id if last_event_id_header is None else last_event_id_header
    if after == live.END:
        return Response(status_code=204)  # what tells a browser not to come again
    place = live.Place() if after is None else live.Place.of(after)
    return EventStream(streams, standing, live.follow(job_id, place))


@router.post("/{job_id}/cancel", summary="Cancel a job", responses=ACCEPTED)
async def cancel_job(caller: Writer, engine: EngineOf, preference: PreferenceOf, job_id: JobId) -> JobShown:
    """Have a job end, and answer it as it is then: 202 while it is still about to. One that has ended is left alone."""
    job = await cancel(engine.crew, job_id, preference)
    if job.state == JobState.RUNNING.value:
        raise StillRunning(job, preference.respond_async)
    return JobShown.of(job)


async def _job(job_id: int) -> Job:
    job = await Job.get_or_none(id=job_id)
    if job is None:
        raise NotFound(f"Job with ID {job_id} not found", code="job_not_found")
    return job
