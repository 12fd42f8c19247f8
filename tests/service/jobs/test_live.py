# SPDX-License-Identifier: GPL-3.0-or-later
"""``/api/jobs/{id}/events``: a job as it goes, from its beginning, from anywhere, to its end."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from hostler.jobs.ledger import close_job
from hostler.jobs.models import Job, JobLog, JobState, JobStep, StepState
from hostler.jobs.track import JobTrack
from tests.service.conftest import Headers
from tests.service.events.stream import Sent, opened
from tests.service.machines.lab_service import eventually

pytestmark = pytest.mark.anyio


async def running_job(**fields: Any) -> Job:
    known: dict[str, Any] = {"action": "vm_start", "executor": "direct", "state": "running", "vm_id": 1, "server_id": 1}
    return await Job.create(**{**known, **fields})


def said(sent: list[Sent]) -> list[tuple[str, Any]]:
    """What the events say, in short."""
    short = {
        "job": lambda data: data["progress_text"],
        "step": lambda data: (data["name"], data["state"]),
        "line": lambda data: data["line"],
        "end": lambda data: data["state"],
    }
    return [(one.event, short[one.event](one.data)) for one in sent]


async def worked(job: Job, track: JobTrack, *names: str) -> None:
    for name in names:
        track.step_started(name, progress=10)
        track.line(f"doing {name}")
        track.step_finished(name, StepState.SUCCEEDED, changed=True)


@pytest.mark.rule("jobs")
async def test_steps_and_lines_come_as_they_are_written_and_the_end_is_said(
    app: FastAPI, api: httpx.AsyncClient, read_headers: Headers
) -> None:
    job = await running_job()
    track = JobTrack(job)
    async with opened(app, f"/api/jobs/{job.id}/events", read_headers) as stream:
        assert said([await stream.event()]) == [("job", "")]
        track.step_started("one", progress=50)
        assert said([await stream.event(), await stream.event()]) == [("job", "one"), ("step", ("one", "running"))]
        track.line("working")
        assert said([await stream.event()]) == [("line", "working")]
        track.step_finished("one", StepState.SUCCEEDED, changed=True)
        assert said([await stream.event()]) == [("step", ("one", "succeeded"))]
        await track.settle()
        await close_job(job, JobState.SUCCEEDED, result={"changed": True})
        last = await stream.rest()

    assert said(last) == [("job", "one"), ("end", "succeeded")]
    assert last[-1].data == (await api.get("/api/jobs")).json()["items"][0]
    assert last[-1].id == "end"


@pytest.mark.rule("jobs")
async def test_who_comes_late_gets_all_from_the_beginning(app: FastAPI, read_headers: Headers) -> None:
    job = await running_job()
    track = JobTrack(job)
    await worked(job, track, "one", "two")
    track.step_started("three")
    await track.settle()
    await JobLog.bulk_create(
        [JobLog(job_id=job.id, at=job.created_at, stream="stdout", line=f"line {number}") for number in range(1200)]
    )

    async with opened(app, f"/api/jobs/{job.id}/events", read_headers) as stream:
        told = said([await stream.event() for _ in range(1 + 3 + 2 + 1200)])

    assert told[0] == ("job", "three")
    assert told[1:4] == [("step", ("one", "succeeded")), ("step", ("two", "succeeded")), ("step", ("three", "running"))]
    assert [line for _, line in told[4:]] == ["doing one", "doing two", *(f"line {number}" for number in range(1200))]

    await close_job(job, JobState.FAILED, error_code="x", error_detail="It failed")
    async with opened(app, f"/api/jobs/{job.id}/events", read_headers) as stream:
        after = await stream.rest()
    assert said(after[-1:]) == [("end", "failed")]
    assert after[-1].data["error"] == {"code": "x", "detail": "It failed"}
    assert len(after) == 1 + 1 + 3 + 1202 + 1


@pytest.mark.rule("jobs")
async def test_who_comes_again_gets_what_is_new_since(app: FastAPI, api: httpx.AsyncClient) -> None:
    headers = dict(api.headers)
    job = await running_job()
    other = await running_job(vm_id=2)
    track = JobTrack(job)
    await worked(job, track, "one")
    track.step_started("two")
    track.line("half way")
    await JobLog.create(job_id=other.id, at=job.created_at, stream="stdout", line="another's")

    async def is_written() -> bool:
        return await JobLog.filter(job_id=job.id, line="half way").exists()

    # or the line may be told before the step that it follows: PostgreSQL shows each what was committed before it
    await eventually(is_written, "the line is written")
    async with opened(app, f"/api/jobs/{job.id}/events", headers) as stream:
        while (last := await stream.event()).data.get("line") != "half way":
            pass
    track.step_finished("two", StepState.FAILED, detail="why")
    track.step_started("three")
    track.line("the rest")
    await track.settle()
    await close_job(job, JobState.FAILED, error_code="x", error_detail="y")

    async with opened(app, f"/api/jobs/{job.id}/events", {**headers, "Last-Event-ID": last.id}) as stream:
        told = said([one for one in await stream.rest() if one.event])
    async with opened(app, f"/api/jobs/{job.id}/events", headers, last_event_id=last.id) as stream:
        assert said([one for one in await stream.rest() if one.event]) == told

    assert told == [
        ("job", "three"),
        ("step", ("two", "failed")),
        ("step", ("three", "failed")),
        ("line", "the rest"),
        ("end", "failed"),
    ]


async def test_who_has_had_the_end_is_told_not_to_come_again(api: httpx.AsyncClient) -> None:
    job = await running_job(state="succeeded")

    answer = await api.get(f"/api/jobs/{job.id}/events", headers={"Last-Event-ID": "end"})

    assert (answer.status_code, answer.content) == (204, b"")


async def test_an_unknown_job_is_404_and_a_nonsensical_place_422(api: httpx.AsyncClient) -> None:
    assert (await api.get("/api/jobs/99/events")).json()["detail"] == "Job with ID 99 not found"
    job = await running_job()
    for nonsense in ("1", "x.y", "1.sq", f"{10**30}.s", "1.s; DROP", "END"):
        answer = await api.get(f"/api/jobs/{job.id}/events", headers={"Last-Event-ID": nonsense})
        assert answer.status_code == 422, nonsense


async def test_a_job_of_another_process_is_followed_too(app: FastAPI, read_headers: Headers) -> None:
    job = await running_job(lease_owner="elsewhere:1:abc")
    async with opened(app, f"/api/jobs/{job.id}/events", read_headers) as stream:
        await stream.event()
        # rows, as another process writes them: nobody here is told
        await JobStep.create(job_id=job.id, position=0, name="far away", state="running")
        assert said([await stream.event()]) == [("step", ("far away", "running"))]
        await Job.filter(id=job.id).update(state="succeeded")
        assert said((await stream.rest())[-1:]) == [("end", "succeeded")]


async def test_a_quiet_job_beats(app: FastAPI, read_headers: Headers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hostler.jobs.live.HEARTBEAT_SECONDS", 0.01)
    monkeypatch.setattr("hostler.jobs.live._LOOK_SECONDS", 0.02)
    job = await running_job()
    async with opened(app, f"/api/jobs/{job.id}/events", read_headers) as stream:
        await stream.event()
        beat = await stream.block()
        assert (beat.comment, beat.id) == ("heartbeat", "0.")


async def test_every_reader_of_a_job_gets_the_same(app: FastAPI, read_headers: Headers) -> None:
    job = await running_job()
    path = f"/api/jobs/{job.id}/events"
    async with opened(app, path, read_headers) as one, opened(app, path, read_headers) as other:
        track = JobTrack(job)
        await worked(job, track, "a", "b", "c")
        await track.settle()
        await close_job(job, JobState.SUCCEEDED)
        ends = await asyncio.gather(one.rest(), other.rest())

    for told in ends:
        lines = [data for event, data in said([sent for sent in told if sent.event]) if event == "line"]
        assert lines == ["doing a", "doing b", "doing c"]
