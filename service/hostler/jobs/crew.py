# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs that this process carries out, each in a task of its own.

A request waits for its job, but does not own it: a client that goes away, or a wait that takes too long, cancels
nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError
from hostler.errors import Conflict, ServiceError, Unavailable
from hostler.jobs.ledger import close_job
from hostler.jobs.models import Job, JobState
from hostler.jobs.track import JobTrack

log = structlog.get_logger(__name__)

Work = Callable[[JobTrack], Awaitable[Mapping[str, Any]]]
"""What a job does; answers its result as plain data, or raises a `ServiceError` or a `HostlerError`."""


class StillRunning(Exception):
    """The job takes longer than the caller wanted to wait; it goes on."""

    def __init__(self, job: Job) -> None:
        super().__init__(f"Job {job.id} is still running")
        self.job = job


class Crew:
    """Carries jobs out. ``wait_seconds`` is how long `carry_out` waits for one."""

    def __init__(self, wait_seconds: float) -> None:
        self._wait_seconds = wait_seconds
        self._tasks: dict[int, asyncio.Task[Mapping[str, Any]]] = {}
        self._closing = False

    async def carry_out(self, job: Job, work: Work) -> Mapping[str, Any]:
        """Do the job and answer its result; raises what the work raised, or `StillRunning`."""
        task = asyncio.create_task(self._do(job, work), name=f"job-{job.id}")
        self._tasks[job.id] = task
        task.add_done_callback(lambda done: self._forget(job.id, done))
        done, _ = await asyncio.wait([task], timeout=self._wait_seconds)
        if not done:
            raise StillRunning(job)
        return task.result()

    def cancel(self, job_id: int) -> None:
        """End a job's work here and now, because another job has taken its VM over."""
        task = self._tasks.get(job_id)
        if task is not None:
            task.cancel()

    async def close(self, seconds: float) -> None:
        """Wait for what is running, at most ``seconds``; what is left then is for the next start to sort out."""
        self._closing = True
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=seconds)
        left = list(self._tasks.values())
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _forget(self, job_id: int, task: asyncio.Task[Mapping[str, Any]]) -> None:
        del self._tasks[job_id]
        if not task.cancelled():
            task.exception()  # whoever waited has it; where nobody did, it stands in the job

    async def _do(self, job: Job, work: Work) -> Mapping[str, Any]:
        structlog.contextvars.bind_contextvars(job=job.id, action=job.action, vm=job.vm_id)
        log.info("job.started", actor=job.actor_name)
        track = JobTrack(job)
        try:
            result = await work(track)
        except asyncio.CancelledError:
            await track.settle()
            # superseded: its row is closed already. At shutdown: the row stays open for the next start to look into
            log.info("job.cancelled")
            if self._closing:
                message = "The service is stopping; the next one looks into what became of this"
                raise Unavailable(message, code="stopping") from None
            raise Conflict("The operation gave way to another one on the same VM", code="superseded") from None
        except Exception as error:
            await track.settle()
            await self._fail(job, error)
            raise
        await track.settle()
        await close_job(job, JobState.SUCCEEDED, result=result)
        log.info("job.succeeded")
        return result

    async def _fail(self, job: Job, error: Exception) -> None:
        if isinstance(error, HostlerError | ServiceError):
            log.warning("job.failed", code=error.code, reason=error.message)
            await close_job(job, JobState.FAILED, error_code=error.code, error_detail=error.message)
        else:
            log.exception("job.failed")
            await close_job(
                job, JobState.FAILED, error_code="internal_error", error_detail="An internal error; the log has it"
            )
