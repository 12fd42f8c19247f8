# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs that this process carries out, each in a task of its own.

A request waits for its job, but does not own it: a client that goes away, would rather not wait, or has waited too
long, cancels nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError
from hostler.database import DatabaseUnavailable
from hostler.errors import (
    Conflict,
    ServiceError,
    Unavailable,
    Unexpected,
    error_of_status,
    problems_of,
    status_of,
)
from hostler.jobs.ledger import PROCESS, close_job
from hostler.jobs.models import Job, JobState
from hostler.jobs.readers import reading
from hostler.jobs.track import JobTrack
from hostler.preference import NO_PREFERENCE, Preference

log = structlog.get_logger(__name__)

_STOPPING = "The service is stopping; the next one looks into what became of this"

Work = Callable[[JobTrack], Awaitable[Mapping[str, Any]]]
"""What a job does; answers its result as plain data, or raises a `ServiceError` or a `HostlerError`."""


_LOOK_AGAIN_SECONDS = 0.2
_HEED_SECONDS = 1.0
_WRITE_AGAIN_SECONDS = 1.0


class Canceled(Conflict):
    """What whoever waits for a job is told that was canceled."""

    code = "canceled"

    def __init__(self) -> None:
        super().__init__("The operation was canceled")


class StillRunning(Exception):
    """The job takes longer than the caller wanted to wait, ``by_preference`` or at all; it goes on."""

    def __init__(self, job: Job, by_preference: bool = False) -> None:
        super().__init__(f"Job {job.id} is still running")
        self.job = job
        self.by_preference = by_preference


@dataclass(slots=True)
class _Task:
    task: asyncio.Task[Mapping[str, Any]]
    leaves_at_once: bool
    is_told: bool = False
    ends: bool = False
    """Whether its work is over, and it is being written down how: that is not to be cut off."""


class Crew:
    """Carries jobs out. ``wait_seconds`` is how long a caller without a preference waits for one."""

    def __init__(self, wait_seconds: float) -> None:
        self._wait_seconds = wait_seconds
        self._tasks: dict[int, _Task] = {}
        self._heeding: asyncio.Task[None] | None = None
        self._closing = False

    async def carry_out(
        self,
        job: Job,
        work: Work,
        preference: Preference = NO_PREFERENCE,
        after: Callable[[], None] = lambda: None,
        leaves_at_once: bool = True,
    ) -> Mapping[str, Any]:
        """Do the job and answer its result; raises what the work raised, or `StillRunning`.

        ``after`` is called when the job has ended, whoever still waits for it. Work that is canceled is left where it
        is, unless it says that it does not leave at once: then it ends by itself, where its next step is fenced off.
        """
        task = self.start(job, work, after, leaves_at_once)
        try:
            await asyncio.wait([task], timeout=self._seconds(preference))
            if not task.done():
                raise StillRunning(job, preference.respond_async)
            return task.result()
        finally:
            del task  # it has the error, whose traceback has this frame: neither would be let go of for minutes

    def start(
        self, job: Job, work: Work, after: Callable[[], None] = lambda: None, leaves_at_once: bool = True
    ) -> asyncio.Task[Mapping[str, Any]]:
        """Begin to carry a job out that nobody waits for; as `carry_out`."""
        task = asyncio.create_task(self._do(job, work), name=f"job-{job.id}")
        self._tasks[job.id] = _Task(task, leaves_at_once)
        if self._heeding is None or self._heeding.done():
            self._heeding = asyncio.create_task(self._heed_cancels(), name="job cancels")
        task.add_done_callback(lambda done: self._forget(job.id, done))
        task.add_done_callback(lambda _done: after())
        return task

    async def wait_for(self, job: Job, preference: Preference = NO_PREFERENCE) -> Job:
        """Wait until a job that another request asked for has ended, here or elsewhere, and answer its row.

        Raises `StillRunning`, also for one that has ended if its caller would not wait at all.
        """
        if preference.respond_async and not preference.wait:
            raise StillRunning(job, by_preference=True)
        row = await self.watch(job, self._seconds(preference))
        if _has_ended(row):
            return row
        if self._closing:
            raise Unavailable(_STOPPING, code="stopping")
        raise StillRunning(job, preference.respond_async)

    async def watch(self, job: Job, seconds: float) -> Job:
        """The job's row when it has ended, here or elsewhere, or as it is after so many seconds, or at a shutdown."""
        deadline = time.monotonic() + seconds
        with reading(job.id) as woken:
            while True:
                woken.clear()
                row = await Job.get(id=job.id)
                left = deadline - time.monotonic()
                if _has_ended(row) or left <= 0 or self._closing:
                    return row
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(_LOOK_AGAIN_SECONDS, left)):
                        await woken.wait()

    def cancel(self, job_id: int) -> None:
        """End a job's work here and now, because another job has taken its VM over."""
        known = self._tasks.get(job_id)
        if known is not None and not known.ends:
            known.task.cancel()

    def has(self, job_id: int) -> bool:
        """Whether this process is at the job."""
        return job_id in self._tasks

    async def stop(self, job_id: int, seconds: float) -> None:
        """Have a job end whose row says that it was canceled, and wait for that, at most ``seconds``.

        A job of another process is left to that one, which finds out by itself.
        """
        known = self._tasks.get(job_id)
        if known is None:
            return
        if known.leaves_at_once and not known.is_told and not known.ends:
            known.is_told = True  # once: what it then does to leave is not to be cut off
            known.task.cancel()
        await asyncio.wait([known.task], timeout=seconds)

    async def close(self, seconds: float) -> None:
        """Wait for what is running, at most ``seconds``; what is left then is for the next start to sort out."""
        self._closing = True
        if self._tasks:
            await asyncio.wait([known.task for known in self._tasks.values()], timeout=seconds)
        left: list[asyncio.Task[Any]] = [known.task for known in self._tasks.values()]
        if self._heeding is not None:
            left.append(self._heeding)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _seconds(self, preference: Preference) -> float:
        return min(preference.wait, self._wait_seconds) if preference.respond_async else self._wait_seconds

    def _forget(self, job_id: int, task: asyncio.Task[Mapping[str, Any]]) -> None:
        del self._tasks[job_id]
        if not task.cancelled():
            task.exception()  # whoever waited has it; where nobody did, it stands in the job

    async def _heed_cancels(self) -> None:
        """Stop what other processes have canceled, for as long as there is something to stop."""
        while self._tasks:
            await asyncio.sleep(_HEED_SECONDS)
            try:
                rows = await Job.filter(id__in=list(self._tasks))
            except DatabaseUnavailable as error:
                log.warning("job.cancels_unread", reason=str(error))
                continue
            for job in rows:
                if job.state != JobState.RUNNING.value or job.lease_owner != PROCESS:
                    # another process took this one for dead, and has settled its job
                    self.cancel(job.id)
                elif job.cancel_requested_at is not None:
                    await self.stop(job.id, 0)

    async def _do(self, job: Job, work: Work) -> Mapping[str, Any]:
        structlog.contextvars.bind_contextvars(job=job.id, action=job.action, vm=job.vm_id)
        log.info("job.started", actor=job.actor_name)
        track = JobTrack(job)
        try:
            result = await work(track)
        except asyncio.CancelledError:
            self._ends(job)
            await track.settle()
            if await self._written(job, partial(_is_closed_as_canceled, job)):
                raise Canceled from None
            # superseded: its row is closed already. At shutdown: the row stays open for the next start to look into
            log.info("job.cancelled")
            if self._closing:
                raise Unavailable(_STOPPING, code="stopping") from None
            raise Conflict("The operation gave way to another one on the same VM", code="superseded") from None
        except Exception as error:
            self._ends(job)
            await track.settle()
            if await self._written(job, partial(_is_closed_as_canceled, job)):
                raise Canceled from error
            await self._written(job, partial(self._fail, job, error))
            raise
        self._ends(job)
        await track.settle()
        await self._written(job, partial(close_job, job, JobState.SUCCEEDED, result=result))
        log.info("job.succeeded")
        return result

    def _ends(self, job: Job) -> None:
        known = self._tasks.get(job.id)
        if known is not None:
            known.ends = True

    async def _written(self, job: Job, write: Callable[[], Awaitable[bool]]) -> bool:
        """Write down how a job ended, as soon as that can be written: until then it has its VM.

        What can't be written at all ends as an error that nobody has foreseen. Raises DatabaseUnavailable at a
        shutdown: the next start looks into it.
        """
        while True:
            try:
                return await write()
            except DatabaseUnavailable as error:
                if self._closing:
                    raise
                log.warning("job.end_unwritten", reason=str(error))
                await asyncio.sleep(_WRITE_AGAIN_SECONDS)
            except Exception:
                log.exception("job.end_unwritable")
                unexpected = Unexpected()
                write = partial(
                    close_job, job, JobState.FAILED, error_code=unexpected.code, error_detail=unexpected.message
                )

    async def _fail(self, job: Job, error: Exception) -> bool:
        if isinstance(error, DatabaseUnavailable):
            error = Unavailable("The database could not be used in the middle of it", code="database_unavailable")
        if isinstance(error, HostlerError):
            error = error_of_status(status_of(error), error.message, code=error.code, errors=problems_of(error))
        if isinstance(error, ServiceError):
            log.warning("job.failed", code=error.code, reason=error.message)
        else:
            log.exception("job.failed")
            error = Unexpected()
        # beside its words, what makes the answer whole for whoever asks again under the same key
        whole = {"status": error.status, "errors": [[problem.field, problem.message] for problem in error.errors]}
        return await close_job(job, JobState.FAILED, result=whole, error_code=error.code, error_detail=error.message)


def _has_ended(job: Job) -> bool:
    return job.state not in (JobState.QUEUED.value, JobState.RUNNING.value)


async def _is_closed_as_canceled(job: Job) -> bool:
    """Close a job that ended because it was canceled; whether it was."""
    if not await Job.filter(id=job.id, state=JobState.RUNNING.value, cancel_requested_at__not_isnull=True).exists():
        return False
    error = Canceled()
    await close_job(job, JobState.CANCELED, error_code=error.code, error_detail=error.message)
    log.info("job.canceled")
    return True
