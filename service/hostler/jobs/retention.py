# SPDX-License-Identifier: GPL-3.0-or-later
"""Forgetting jobs that ended long ago, with their steps and their log.

Some are kept however old they are, because somebody may still have to finish what they began:

- one that waits or runs, and one of a family of jobs of which another does;
- all jobs of a VM that is being created or deleted: by them a service knows which disks a delete has left, and whose
  the rest of a create is (`hostler.machines.leftovers`, `hostler.machines.recovery`);
- a failed upload to a server that has not been seen since: what it left is taken away when the server is back
  (`hostler.images.recovery`).

An idempotency key stands in its job and is forgotten with it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import structlog

from hostler.database import rows
from hostler.jobs.models import Job, JobLog, JobStep

log = structlog.get_logger(__name__)

BATCH = 500
"""Jobs that are looked at, and deleted, at once: nobody else writes to SQLite meanwhile."""
LINES = 5000
"""Lines of logs that are deleted at once: one job may have more than all others together."""

# in the order of their ids, which is nearly that in which they were asked for
_PAGE = (
    "SELECT MAX(id) AS last, MIN(created_at) < ? AS is_old FROM"
    " (SELECT id, created_at FROM job WHERE id > ? ORDER BY id LIMIT ?) AS page"
)
_OLD = """
SELECT job.id FROM job WHERE job.id > ? AND job.id <= ?
AND job.state IN ('succeeded', 'failed', 'canceled') AND job.finished_at < ?
AND NOT EXISTS (SELECT 1 FROM vm WHERE vm.id = job.vm_id AND vm.status IN ('creating', 'deleting'))
AND NOT EXISTS (SELECT 1 FROM vm WHERE vm.uuid = job.vm_uuid AND vm.status IN ('creating', 'deleting'))
AND NOT EXISTS (SELECT 1 FROM job AS parent
    WHERE parent.id = job.parent_id AND parent.state IN ('queued', 'running'))
AND NOT EXISTS (SELECT 1 FROM job AS child WHERE child.parent_id = job.id AND child.state IN ('queued', 'running'))
AND NOT EXISTS (SELECT 1 FROM upload_mark WHERE upload_mark.job_id = job.id)
ORDER BY job.id
"""
_LINES = "SELECT MAX(id) AS last FROM (SELECT id FROM job_log WHERE job_id = ? ORDER BY id LIMIT ?) AS page"


async def prune_jobs(days: float) -> int:
    """Delete the jobs that ended more than ``days`` ago and nobody needs; 0 deletes none. Returns how many."""
    if not days:
        return 0
    before = datetime.now(UTC) - timedelta(days=days)
    deleted = last = 0
    while True:
        (page,) = await rows(_PAGE, before, last, BATCH)
        if not page["is_old"]:  # nor is any that comes after
            break
        first, last = last, page["last"]
        old = [row["id"] for row in await rows(_OLD, first, last, before)]
        for job_id in old:
            await _delete_lines(job_id)
        await JobStep.filter(job_id__in=old).delete()
        await Job.filter(id__in=old).delete()
        deleted += len(old)
    if deleted:
        log.info("jobs.pruned", jobs=deleted)
    return deleted


async def _delete_lines(job_id: int) -> None:
    while True:
        (page,) = await rows(_LINES, job_id, LINES)
        if page["last"] is None:
            return
        await JobLog.filter(job_id=job_id, id__lte=page["last"]).delete()
