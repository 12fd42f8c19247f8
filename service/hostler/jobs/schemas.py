# SPDX-License-Identifier: GPL-3.0-or-later
"""The bodies of the job routes."""

from __future__ import annotations

from typing import Any

from hostler.bodies import ResponseBody, Timestamp
from hostler.jobs.models import Executor, Job, JobLog, JobState, JobStep, StepState
from hostler.placement.schemas import PlacementShown


class StepShown(ResponseBody):
    """One step of a job."""

    position: int
    name: str
    state: StepState
    progress: int
    changed: bool | None
    detail: str | None
    started_at: Timestamp | None
    finished_at: Timestamp | None


class LineShown(ResponseBody):
    """One line of a job's log."""

    at: Timestamp
    stream: str
    line: str


class JobError(ResponseBody):
    """Why a job failed."""

    code: str
    detail: str


class JobShown(ResponseBody):
    """A job: who asked for what, and what became of it.

    ``progress`` is in percent, ``external_id`` the number of the job at AWX that carries it out.
    """

    id: int
    action: str
    executor: Executor
    external_id: str | None
    state: JobState
    progress: int
    progress_text: str
    actor: str
    vm_id: int | None
    vm_uuid: str | None
    vm_name: str | None
    server_id: int | None
    parameters: dict[str, Any]
    result: dict[str, Any] | None
    error: JobError | None
    supersedes_id: int | None
    parent_id: int | None
    request_id: str | None
    cancel_requested_at: Timestamp | None
    created_at: Timestamp
    started_at: Timestamp | None
    finished_at: Timestamp | None

    @classmethod
    def of(cls, job: Job) -> JobShown:
        """The job of a row."""
        error = None
        if job.error_code is not None:
            error = JobError(code=job.error_code, detail=job.error_detail or "")
        # of a failed job the row's result is only for who asks again under its key
        result = job.result if error is None else None
        return cls.model_validate({**_plain(job), "actor": job.actor_name, "result": result, "error": error})


class JobInFull(JobShown):
    """A job with its plan, its steps and its log; with how its server was chosen, if it was."""

    plan: Any
    placement: PlacementShown | None
    steps: list[StepShown]
    log: list[LineShown]

    @classmethod
    def with_steps(cls, job: Job, steps: list[JobStep], log: list[JobLog]) -> JobInFull:
        """The job of a row, with the rows of its steps and its log."""
        return cls(
            **JobShown.of(job).model_dump(),
            plan=job.plan,
            placement=None if job.placement is None else PlacementShown.model_validate(job.placement),
            steps=[StepShown.model_validate(step) for step in steps],
            log=[LineShown.model_validate(line) for line in log],
        )


def _plain(job: Job) -> dict[str, Any]:
    return {name: getattr(job, name) for name in JobShown.model_fields if name not in ("actor", "error")}
