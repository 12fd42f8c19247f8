# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that are this process's by their rows, and that it is not at.

A commit can succeed whose answer is lost, and what comes between a job's beginning and its work can fail. Nobody else
looks into such a job, for this process is alive: so it does itself, as if it had been killed meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import structlog

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError
from hostler.database import DatabaseUnavailable
from hostler.engine import Engine
from hostler.errors import ServiceError
from hostler.hosts.models import Server
from hostler.jobs.ledger import PROCESS
from hostler.jobs.models import Executor, Job, JobState
from hostler.machines.recovery import settle

log = structlog.get_logger(__name__)

LOOK_SECONDS = 10.0
"""Pause between two looks; a job is an orphan that is one at two of them."""


@contextlib.asynccontextmanager
async def looked_after(engine: Engine) -> AsyncIterator[None]:
    """Settle orphans in the block."""
    task = asyncio.create_task(_keep_looking(engine), name="orphans")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _keep_looking(engine: Engine) -> None:
    seen: set[int] = set()
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            seen = await look(engine, seen)
        except DatabaseUnavailable as error:
            log.warning("orphans.unread", reason=str(error))
        except Exception:
            log.exception("orphans.failed")


async def look(engine: Engine, seen: set[int]) -> set[int]:
    """Settle those that were ``seen`` before; answers the orphans that there are."""
    mine = await Job.filter(state=JobState.RUNNING.value, lease_owner=PROCESS, vm_id__not_isnull=True)
    # what AWX carries out goes on there, and is followed by `hostler.machines.resumption`
    orphans = [job for job in mine if not engine.crew.has(job.id) and job.executor != Executor.AWX.value]
    for job in orphans:
        if job.id not in seen:
            continue
        server = await Server.get_or_none(id=job.server_id)
        if server is None:
            continue
        log.warning("job.orphaned", job=job.id, action=job.action, vm=job.vm_id)
        try:
            await settle(job, server, engine.host(server))
        except (HostlerError, ServiceError) as error:  # the next look tries again
            log.warning("job.orphan_unsettled", job=job.id, reason=error.message)
    return {job.id for job in orphans}
