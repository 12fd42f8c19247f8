# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing down how a running job goes, step by step, as it goes.

The work itself happens in other threads and processes and must not wait for the database: what they tell is queued, and
written in order by a task of the job's own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import structlog
from tortoise.transactions import in_transaction

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.perform import StepReport
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import Superseded
from hostler.database import rows
from hostler.events.record import Kind, record_job
from hostler.jobs.models import Executor, Job, JobLog, JobState, JobStep, StepState
from hostler.jobs.readers import told

log = structlog.get_logger(__name__)

_FENCE_SECONDS = 10.0
_STANDING = """
SELECT job.state AS state, job.lease_owner AS owner, job.cancel_requested_at IS NOT NULL AS canceled,
    vm.generation AS generation
FROM job LEFT JOIN vm ON vm.id = job.vm_id WHERE job.id = ?
"""


class JobTrack:
    """The record of one running job. `step`, `line` and `report` may be called from any thread."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._loop = asyncio.get_running_loop()
        self._told: asyncio.Queue[Callable[[], Awaitable[object]] | None] = asyncio.Queue()
        self._writer = asyncio.create_task(self._write(), name=f"job-{job.id}-record")
        self._positions: dict[str, int] = {}
        self._next_position = 0

    def go_on(self, steps: Sequence[JobStep]) -> None:
        """Go on where another process stopped; these are all steps that it wrote down, in their order."""
        self._positions = {step.name: step.position for step in steps if step.state == StepState.RUNNING.value}
        self._next_position = len(steps)

    def step_started(self, name: str, progress: int | None = None) -> None:
        """A step begins; ``progress`` is the whole job's, in percent."""
        self._tell(lambda: self._start_step(name, progress))

    def step_finished(
        self, name: str, state: StepState, *, changed: bool | None = None, detail: str | None = None
    ) -> None:
        """A step has ended."""
        self._tell(lambda: self._finish_step(name, state, changed, detail))

    def line(self, text: str, stream: str = "stdout") -> None:
        """A line of the log."""
        self._tell(lambda: JobLog.create(job_id=self.job.id, at=datetime.now(UTC), stream=stream, line=text))

    def report(self, report: StepReport) -> None:
        """What the core tells of its steps."""
        if report.state == "running":
            self.step_started(report.title, progress=100 * (report.position - 1) // report.total)
        elif report.state == "succeeded":
            self.step_finished(report.title, StepState.SUCCEEDED, changed=True)
        else:
            self.step_finished(report.title, StepState.FAILED, detail=report.error)

    async def decide(self, executor: Executor, plan: Mapping[str, Any]) -> None:
        """Write down what there is to do, and who does it, of a job of which that was not known before its turn."""
        self.job.executor, self.job.plan = executor.value, dict(plan)
        async with in_transaction():
            await self.job.save(update_fields=["executor", "plan"])
            await record_job(Kind.JOB_CHANGED, self.job.id)

    def fence(self) -> None:
        """Raise `Superseded` if the VM belongs to another job by now. For the threads of hosts, before each step."""
        asyncio.run_coroutine_threadsafe(self.check_generation(), self._loop).result(_FENCE_SECONDS)

    async def check_generation(self) -> None:
        """As `fence`, for the event loop."""
        found = await rows(_STANDING, self.job.id)
        if found and found[0]["canceled"]:
            raise Superseded("The operation was canceled")
        mine = found and found[0]["generation"] == self.job.generation and found[0]["owner"] == self.job.lease_owner
        if not (mine and found[0]["state"] == JobState.RUNNING.value):
            raise Superseded("Another operation has taken the VM over")

    async def is_canceled(self) -> bool:
        """Whether the job was asked to end."""
        return await Job.filter(id=self.job.id, cancel_requested_at__not_isnull=True).exists()

    async def settle(self) -> None:
        """Wait until all that was told is written; nothing may be told after."""
        # by the way that all else took, or it would overtake what was told just now
        self._loop.call_soon_threadsafe(self._told.put_nowait, None)
        await self._writer

    def _tell(self, write: Callable[[], Awaitable[object]]) -> None:
        self._loop.call_soon_threadsafe(self._told.put_nowait, write)

    async def _write(self) -> None:
        while (write := await self._told.get()) is not None:
            try:
                await write()
                told(self.job.id)
            except Exception:  # a line that can't be kept must not keep the job from ending
                log.exception("job.record_failed", job=self.job.id)

    async def _start_step(self, name: str, progress: int | None) -> None:
        self._positions[name] = self._next_position
        self._next_position += 1
        share = {} if progress is None else {"progress": progress}
        async with in_transaction():
            await JobStep.create(
                job_id=self.job.id,
                position=self._positions[name],
                name=name,
                state=StepState.RUNNING.value,
                started_at=datetime.now(UTC),
            )
            await Job.filter(id=self.job.id).update(progress_text=name, **share)
            await record_job(Kind.JOB_CHANGED, self.job.id)

    async def _finish_step(self, name: str, state: StepState, changed: bool | None, detail: str | None) -> None:
        if name not in self._positions:  # a step that ended without having begun: a playbook's skipped one
            await self._start_step(name, None)
        await JobStep.filter(job_id=self.job.id, position=self._positions.pop(name)).update(
            state=state.value, changed=changed, detail=detail, progress=100, finished_at=datetime.now(UTC)
        )
