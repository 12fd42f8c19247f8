# SPDX-License-Identifier: GPL-3.0-or-later
"""202: the answer to a write whose job takes longer than its client waits, or would wait."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from hostler.jobs.crew import StillRunning
from hostler.jobs.models import Job
from hostler.jobs.schemas import JobShown
from hostler.preference import RESPOND_ASYNC

ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {
        "model": JobShown,
        "description": "The job goes on",
        "headers": {
            "Location": {"description": "Where to ask for the job", "required": True, "schema": {"type": "string"}},
            "Preference-Applied": {
                "description": "`respond-async`, where the client preferred not to wait",
                "schema": {"type": "string"},
            },
        },
    }
}
"""What a route whose answer waits for a job adds to its ``responses``."""


async def _of_still_running(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StillRunning)  # noqa: S101 - Starlette's handlers are typed by Exception
    job = await Job.get(id=error.job.id)
    body = JobShown.of(job).model_dump(mode="json")
    headers = {"Location": f"/api/jobs/{job.id}"}
    if error.by_preference:
        headers["Preference-Applied"] = RESPOND_ASYNC
    return JSONResponse(body, status_code=202, headers=headers)


def install(app: FastAPI) -> None:
    """Have ``app`` answer 202, with the job in the body, wherever a job has outlasted the wait for it."""
    app.add_exception_handler(StillRunning, _of_still_running)
