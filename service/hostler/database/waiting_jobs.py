# SPDX-License-Identifier: GPL-3.0-or-later
"""Canceling the jobs that waited when a backup was made: what they were to do is long done, or not wanted any more.

Said in SQL, for the schema may be an older one.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime

RESTORED = "restored"
"""Error code of a job that waited in a backup which was restored."""
_DETAIL = "It waited when the backup was made that was restored since"

_CANCELED = "state = 'canceled', finished_at = :now, error_code = :code, error_detail = :detail"
_WAITING = f"UPDATE job SET {_CANCELED}%s WHERE state = 'queued'"  # noqa: S608 - all of it stands above
_PARENTS = f"""
UPDATE job SET {_CANCELED}, progress = 100,
    progress_text = (SELECT COUNT(*) || ' of ' || COUNT(*) || ' VMs done' FROM job c WHERE c.parent_id = job.id),
    result = (
        SELECT json_object(
            'queued', 0, 'running', 0, 'succeeded', COALESCE(SUM(c.state = 'succeeded'), 0),
            'failed', COALESCE(SUM(c.state = 'failed'), 0), 'canceled', COALESCE(SUM(c.state = 'canceled'), 0)
        )
        FROM job c WHERE c.parent_id = job.id
    )
WHERE state = 'running' AND action = 'vm_many' AND NOT EXISTS (
    SELECT 1 FROM job c WHERE c.parent_id = job.id AND c.state IN ('queued', 'running')
)
"""  # noqa: S608 - all of it stands above
"""Jobs of many VMs of which none is open any more; one that was running in the backup is settled by the service."""


def cancel_waiting(connection: sqlite3.Connection) -> int:
    """Cancel all jobs that wait, and those of many VMs that have only waited for them; returns how many waited."""
    columns = {row[1] for row in connection.execute("PRAGMA table_info(job)")}
    values = {"now": str(datetime.now(UTC)), "code": RESTORED, "detail": _DETAIL}
    canceled = connection.execute(_WAITING % (", sealed = NULL" if "sealed" in columns else ""), values).rowcount
    if "parent_id" in columns and canceled:
        connection.execute(_PARENTS, values)
    return canceled
