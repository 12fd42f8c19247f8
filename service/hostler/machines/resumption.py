# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking up jobs that AWX goes on with although the service that launched them was stopped.

`hostler.machines.recovery` leaves them to this process when their host is reached. From then on they are as if they had
been launched here: they are followed to their end, can be canceled, and what they make is looked at and written down.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any

import structlog

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError, Superseded
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from hostler.database import DatabaseUnavailable
from hostler.dispatch import Action
from hostler.engine import Engine
from hostler.errors import ServiceError, Unavailable
from hostler.jobs.ledger import PROCESS
from hostler.jobs.models import Executor, Job, JobState
from hostler.jobs.track import JobTrack
from hostler.machines.abandoned import keep_canceling
from hostler.machines.at_awx import NOTE, controller_of, follow_at_awx, launch_of, told_so_far
from hostler.machines.changing import carry_on
from hostler.machines.creation import brought_about, observe_made
from hostler.machines.models import Machine
from hostler.machines.operation import look_again
from hostler.machines.playbooks import raise_for
from hostler.machines.recovery import settle

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 1.0
_SELDOM_SECONDS = 15.0  # where no AWX is set up: what one was at before that was taken away is still to be settled
_AGAIN_SECONDS = 5.0  # after a job could not be taken up


@contextlib.asynccontextmanager
async def resuming(engine: Engine) -> AsyncIterator[None]:
    """Take up in the block what is left to this process, and cancel what nobody will take up."""
    tasks = [
        asyncio.create_task(_keep_looking(engine), name="resumption"),
        asyncio.create_task(keep_canceling(engine), name="abandoned"),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _keep_looking(engine: Engine) -> None:
    """Take up what is left to this process, whatever goes wrong with that: nobody else would."""
    async with asyncio.TaskGroup() as tasks:
        taken: set[int] = set()
        while True:
            try:
                for job in await Job.filter(
                    state=JobState.RUNNING.value,
                    executor=Executor.AWX.value,
                    lease_owner=PROCESS,
                    attempt__gt=1,
                    id__not_in=list(taken),
                ):
                    taken.add(job.id)
                    tasks.create_task(_resume(engine, job, taken), name=f"resume-job-{job.id}")
            except DatabaseUnavailable as error:
                log.warning("resumption.database_unavailable", reason=str(error))
            except Exception:
                log.exception("resumption.failed")
            await asyncio.sleep(_LOOK_SECONDS if engine.awx is not None else _SELDOM_SECONDS)


async def _resume(engine: Engine, job: Job, taken: set[int]) -> None:
    """Take the job up and see to its end; if that fails and it still runs by its row, it is taken up again."""
    structlog.contextvars.bind_contextvars(request_id=job.request_id)  # of whoever asked for it
    try:
        await _take_up(engine, job)
    except DatabaseUnavailable as error:
        log.warning("job.taken_up_in_vain", job=job.id, reason=str(error))
    except (ServiceError, HostlerError) as error:
        log.warning("job.taken_up_in_vain", job=job.id, reason=error.message)  # its row has it, too
    except Exception:
        log.exception("job.taken_up_in_vain", job=job.id)
    await asyncio.sleep(_AGAIN_SECONDS)
    taken.discard(job.id)


async def _take_up(engine: Engine, job: Job) -> None:
    row = await Machine.get_or_none(id=job.vm_id).select_related("server")
    log.info("job.taken_up", job=job.id, awx_job=job.external_id)
    if row is None:
        task = engine.crew.start(job, partial(_followed, engine, job))
    elif engine.awx is None:
        await settle(job, row.server, engine.host(row.server))
        return
    else:
        look = partial(engine.watch.look_at, row.server_id, row.uuid)
        task = engine.crew.start(job, partial(_done, engine, job, row), after=look)
    await asyncio.wait([task])  # at a shutdown this wait is over, and the crew sees to the task
    task.result()


async def _done(engine: Engine, job: Job, row: Machine, track: JobTrack) -> Mapping[str, Any]:
    if job.action == Action.CREATE.value:
        return await brought_about(engine, row.server, row, track, _made(engine, job, row, track))
    try:
        await _followed(engine, job, track, row)
        return await carry_on(engine, row, job, track)
    finally:
        await look_again(engine, row, job.generation)


async def _made(engine: Engine, job: Job, row: Machine, track: JobTrack) -> ObservedMachine:
    await _followed(engine, job, track, row)
    return await engine.host(row.server).call(partial(observe_made, uuid=row.uuid))


async def _followed(engine: Engine, job: Job, track: JobTrack, row: Machine | None = None) -> Mapping[str, Any]:
    """Follow the job at AWX to its end; raises what it failed with, `Superseded` if it is not ours any more."""
    number = await _number_of(engine, job)
    try:
        await track.check_generation()
    except Superseded:
        await controller_of(engine).cancel(number)
        raise
    retelling = await told_so_far(job, track)
    track.line(f"The service was started again, and follows AWX job {number}", NOTE)
    outcome = await follow_at_awx(engine, number, track, retelling)
    if row is not None:
        raise_for(outcome, row.server, engine.settings)
    return {"recovered": True}


async def _number_of(engine: Engine, job: Job) -> int:
    """The number of the job at AWX, also of one that was launched and could not be kept any more.

    Raises `Unavailable` where nothing was launched.
    """
    if job.external_id is not None:
        return int(job.external_id)
    controller = controller_of(engine)
    number = await controller.find(launch_of(controller, job, {}))
    if number is None:
        raise Unavailable("The service was stopped before AWX launched the job", code="cut_off")
    await Job.filter(id=job.id).update(external_id=str(number))
    return number
