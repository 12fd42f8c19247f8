# SPDX-License-Identifier: GPL-3.0-or-later
"""Canceling what may still go on at AWX of jobs that are over here, whatever they ended with.

AWX may have been away when it was to cancel them, or our database when the job's number was to be kept. So each that
failed or was canceled is looked at until AWX says that it has ended. Their rows say which these are, so it makes no
difference whether the service was stopped meanwhile.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import structlog

from hostler.awx import AwxError, Controller
from hostler.awx.errors import AwxTimeout, AwxUnreachable
from hostler.database import DatabaseUnavailable
from hostler.engine import Engine
from hostler.jobs.models import Executor, Job, JobState
from hostler.machines.at_awx import launch_of

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 15.0
_FOR = timedelta(days=1)
_LATE = timedelta(minutes=10)
"""So long after its job's end a launch may still arrive that nobody waited for: AWX and what stands before it give up
requests after two minutes."""


async def keep_canceling(engine: Engine) -> None:
    """Cancel them as soon as AWX answers again, for a day, whatever goes wrong with that."""
    if engine.awx is None:
        return
    settled: set[int] = set()
    while True:
        try:
            await _cancel_all(engine.awx, await _over(settled), settled)
        except (AwxUnreachable, AwxTimeout) as error:
            log.debug("abandoned.awx_away", reason=error.message)
        except DatabaseUnavailable as error:
            log.warning("abandoned.database_unavailable", reason=str(error))
        except Exception:
            log.exception("abandoned.failed")
        await asyncio.sleep(_LOOK_SECONDS)


async def _over(settled: set[int]) -> list[Job]:
    """The jobs that ended other than well, but for those that are known to have ended at AWX, too."""
    found = await Job.filter(
        executor=Executor.AWX.value,
        state__in=[JobState.FAILED.value, JobState.CANCELED.value],
        started_at__not_isnull=True,
        finished_at__gt=datetime.now(UTC) - _FOR,
    ).order_by("id")
    return [job for job in found if job.id not in settled]


async def _cancel_all(controller: Controller, jobs: list[Job], settled: set[int]) -> None:
    """Cancel what goes on at AWX, and add the ids of those of which nothing does to ``settled``.

    Raises `AwxUnreachable`, `AwxTimeout`: the others would wait for as long.
    """
    unnumbered: dict[int | str, dict[str, Job]] = {}
    for job in jobs:
        if job.external_id is None:
            launch = launch_of(controller, job, {})
            unnumbered.setdefault(launch.template, {})[launch.mark] = job
        elif await _has_ended(controller, job, job.external_id):
            settled.add(job.id)
    for template, marked in unnumbered.items():
        asked_at = datetime.now(UTC)
        try:
            numbers = await controller.look_for(template, marked.keys())
        except (AwxUnreachable, AwxTimeout):
            raise
        except AwxError as error:
            log.debug("abandoned.not_looked_for", jobs=[job.id for job in marked.values()], reason=error.message)
            continue
        for mark, job in marked.items():
            if mark in numbers:
                is_settled = await _has_ended(controller, job, str(numbers[mark]))
            else:
                is_settled = job.finished_at is not None and asked_at > job.finished_at + _LATE
            if is_settled:
                settled.add(job.id)


async def _has_ended(controller: Controller, job: Job, number: str) -> bool:
    """Whether the job has ended at AWX; one that has not is told to. What is wrong with one is not with the others."""
    try:
        if await controller.has_ended(int(number)):
            return True
        await controller.have_canceled(int(number))
    except (AwxUnreachable, AwxTimeout):
        raise
    except AwxError as error:
        log.debug("abandoned.not_canceled", job=job.id, reason=error.message)
        return False
    except Exception:
        log.exception("abandoned.not_canceled", job=job.id)
        return False
    log.info("abandoned.canceled", job=job.id, awx_job=number)
    return False
