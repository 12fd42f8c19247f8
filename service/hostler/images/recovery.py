# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of uploads and deletes of images that were cut off, by the end of the service or of the host."""

from __future__ import annotations

from functools import partial

import structlog

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.images import discard_unfinished, is_there
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError, HostUnreachable
from hostler.database import check_fence
from hostler.hosts.connection import HostConnection
from hostler.hosts.models import Server
from hostler.images.marks import forget_mark
from hostler.images.models import ImageAction
from hostler.jobs.ledger import close_job
from hostler.jobs.models import Job, JobState
from hostler.services.alive import alive_processes

log = structlog.get_logger(__name__)

_CUT_OFF = "The service was stopped while this ran"


async def recover(server: Server, host: HostConnection) -> None:
    """Settle the jobs of images on that host whose process is gone. Raises `HostUnreachable`."""
    jobs = await Job.filter(
        server_id=server.id, action__in=[action.value for action in ImageAction], state=JobState.RUNNING.value
    )
    # asked after the jobs were read: whoever has begun one of them was there before
    alive = await alive_processes() if jobs else ()
    for job in (one for one in jobs if one.lease_owner not in alive):
        with structlog.contextvars.bound_contextvars(request_id=job.request_id):  # of whoever asked for it
            try:
                await _settle(job, host)
            except HostUnreachable:
                raise
            except HostlerError as error:
                log.warning("job.recovery_failed", job=job.id, reason=error.message)
                await _fail(job, f"{_CUT_OFF}, and what it left could not be put right: {error.message}")
            log.info("job.recovered", job=job.id, action=job.action)


async def _settle(job: Job, host: HostConnection) -> None:
    await check_fence()  # another service may have the host, and have settled this
    pool, name = str(job.parameters.get("pool")), str(job.parameters.get("name"))
    is_upload = job.action == ImageAction.UPLOAD
    was_cut_off = is_upload and await host.call(partial(discard_unfinished, pool_name=pool, name=name))
    await forget_mark(job)
    if was_cut_off:
        await _fail(job, f"{_CUT_OFF}; what it had written was taken away")
        return
    # no mark: an upload had ended, or not begun
    if await host.call(partial(is_there, pool_name=pool, name=name)) == is_upload:
        await close_job(job, JobState.SUCCEEDED, result={"recovered": True})
    else:
        await _fail(job, _CUT_OFF)


async def _fail(job: Job, detail: str) -> None:
    await close_job(job, JobState.FAILED, error_code="cut_off", error_detail=detail)
