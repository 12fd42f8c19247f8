# SPDX-License-Identifier: GPL-3.0-or-later
"""Canceling what may still go on at AWX of jobs that are over here, because AWX did not answer for too long.

Their rows say which these are, so it makes no difference whether the service was stopped meanwhile.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import structlog

from hostler.awx import AwxError, Controller
from hostler.awx.errors import (
    AwxBadAnswer,
    AwxFailed,
    AwxForbidden,
    AwxLaunchUnknown,
    AwxTimeout,
    AwxUnauthorized,
    AwxUnreachable,
)
from hostler.database import DatabaseUnavailable
from hostler.engine import Engine
from hostler.jobs.models import Executor, Job, JobState
from hostler.machines.at_awx import launch_of

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 15.0
_FOR = timedelta(days=1)
_ABSENT = (AwxUnreachable, AwxTimeout, AwxFailed, AwxBadAnswer, AwxUnauthorized, AwxForbidden)


async def keep_canceling(engine: Engine) -> None:
    """Cancel them as soon as AWX answers again, for a day."""
    if engine.awx is None:
        return
    settled: set[int] = set()
    while True:
        try:
            for job in await _abandoned(settled):
                if await _is_canceled(engine.awx, job):
                    settled.add(job.id)
        except DatabaseUnavailable as error:
            log.warning("abandoned.database_unavailable", reason=str(error))
        await asyncio.sleep(_LOOK_SECONDS)


async def _abandoned(settled: set[int]) -> list[Job]:
    recent = Job.filter(executor=Executor.AWX.value, finished_at__gt=datetime.now(UTC) - _FOR)
    failed = recent.filter(state=JobState.FAILED.value)
    found = [
        *await failed.filter(error_code__in=[kind.code for kind in _ABSENT], external_id__not_isnull=True),
        *await failed.filter(error_code=AwxLaunchUnknown.code, external_id__isnull=True),
        # AWX may have been away when it was to cancel them
        *await recent.filter(state=JobState.CANCELED.value, external_id__not_isnull=True),
    ]
    return [job for job in found if job.id not in settled]


async def _is_canceled(controller: Controller, job: Job) -> bool:
    """Whether nothing of the job goes on at AWX any more; of one that was never launched nobody can say so."""
    try:
        if job.external_id is not None:
            number = int(job.external_id)
        else:
            found = await controller.look_for(launch_of(controller, job, {}))
            if found is None:
                return False
            number = found
        await controller.have_canceled(number)
    except AwxError as error:
        log.debug("abandoned.awx_away", job=job.id, reason=error.message)
        return False
    log.info("abandoned.canceled", job=job.id, awx_job=number)
    return True
