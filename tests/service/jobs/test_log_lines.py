# SPDX-License-Identifier: GPL-3.0-or-later
"""A job's lines in the service's log bear the id of the request that asked for it, also when that is long answered."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Mapping
from typing import Any

import pytest
import structlog
from fastapi import FastAPI

from hostler import logs
from hostler.jobs.crew import Crew, StillRunning
from hostler.jobs.models import Executor, Job, JobState
from hostler.jobs.track import JobTrack
from hostler.settings import Settings

pytestmark = pytest.mark.anyio


@pytest.fixture
def log(settings: Settings, log_undone: None) -> io.StringIO:
    """The log, as JSON."""
    stream = io.StringIO()
    logs.configure(settings.model_copy(update={"log_format": "json"}), stream)
    return stream


async def test_a_job_that_outlasts_its_request_goes_on_under_its_id(app: FastAPI, log: io.StringIO) -> None:
    job = await Job.create(
        action="vm_start", executor=Executor.DIRECT.value, state=JobState.RUNNING.value, actor_name="ada"
    )
    answered = asyncio.Event()

    async def work(_track: JobTrack) -> Mapping[str, Any]:
        await answered.wait()
        await asyncio.to_thread(structlog.get_logger("hostler.test").info, "from a thread")
        return {}

    structlog.contextvars.bind_contextvars(request_id="r-17", user="ada")
    crew = Crew(wait_seconds=0.01)
    with pytest.raises(StillRunning):
        await crew.carry_out(job, work)
    structlog.contextvars.clear_contextvars()  # as for the next request
    structlog.contextvars.bind_contextvars(request_id="another")
    answered.set()
    await crew.close(seconds=10)

    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    lines = [line for line in lines if line["event"] != "audit"]  # which is by the job's row, and has its own test
    assert [line["event"] for line in lines] == ["job.started", "from a thread", "job.succeeded"]
    assert {line["request_id"] for line in lines} == {"r-17"}
    assert {line["user"] for line in lines} == {"ada"}
    assert {line["job"] for line in lines} == {job.id}
