# SPDX-License-Identifier: GPL-3.0-or-later
"""The marks of uploads of ours: what such a mark stands for is decided by its job, not by whether it is there.

An upload whose host was lost leaves its mark: a comparison, once the host is back, makes an image of what a job had
written whole, and takes away what another one had begun.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import structlog

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.images import discard_unfinished, unmark
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError, HostUnreachable
from hostler.database import check_fence, rows
from hostler.hosts.connection import HostConnection
from hostler.hosts.models import Server
from hostler.images.models import UploadMark
from hostler.jobs.models import Job, JobState

log = structlog.get_logger(__name__)

# one whose job is running is that one's, or is settled with it
_LEFT = (
    "SELECT upload_mark.id AS id, job_id, pool, name, job.state AS state FROM upload_mark"
    " LEFT JOIN job ON job.id = job_id WHERE upload_mark.server_id = ? AND (job.state IS NULL OR job.state <> ?)"
)


class LeftMark(NamedTuple):
    """A mark whose job has ended, and which may be there still."""

    id: int
    job_id: int
    pool: str
    name: str
    is_whole: bool


async def expect_mark(job: Job, server: Server, pool: str, name: str) -> None:
    """Write down that an upload is about to make its mark."""
    await UploadMark.create(server_id=server.id, job_id=job.id, pool=pool, name=name)


async def forget_mark(job: Job) -> None:
    """Write down that the mark of this upload is gone."""
    await UploadMark.filter(job_id=job.id).delete()


async def left_marks(server: Server) -> list[LeftMark]:
    """The marks that uploads may have left on the server."""
    return [
        LeftMark(row["id"], row["job_id"], row["pool"], row["name"], row["state"] == JobState.SUCCEEDED.value)
        for row in await rows(_LEFT, server.id, JobState.RUNNING.value)
    ]


async def settle_mark(server: Server, host: HostConnection, mark: LeftMark, *, may_be_there: bool) -> None:
    """Do what the mark stands for, if it is there, and forget it. Raises `HostUnreachable`."""
    if may_be_there:
        await check_fence()
        act = unmark if mark.is_whole else discard_unfinished
        try:
            await host.call(partial(act, pool_name=mark.pool, name=mark.name))
        except HostUnreachable:
            raise
        except HostlerError as error:
            log.warning("image.unfinished_stays", host=server.hostname, name=mark.name, reason=error.message)
            return
        event = "image.mark_removed" if mark.is_whole else "image.unfinished_removed"
        log.info(event, host=server.hostname, name=mark.name, job=mark.job_id)
    await UploadMark.filter(id=mark.id).delete()
