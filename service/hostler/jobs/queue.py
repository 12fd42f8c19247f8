# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs that wait: whose turn it is, and having them carried out.

The jobs of a VM are carried out in the order of their ids, one after the other; those of a server so many at a time.
What may supersede another job (`hostler.dispatch.SUPERSEDES`) waits for neither.
All of that stands in the database, so a job that was queued is carried out by whoever is there, also after a restart.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable

import structlog

from hostler.database import DatabaseUnavailable, rows
from hostler.database.queries import marks
from hostler.dispatch import SUPERSEDES
from hostler.jobs.ledger import begin
from hostler.jobs.models import Job
from hostler.jobs.turns import told_of_turns

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 1.0  # for what other processes queue and end
_AT_ONCE = 100

_TURNS = """
SELECT job.id, job.action, job.server_id, job.parent_id, parent.at_once,
    COALESCE(of_server.running, 0) AS of_server, COALESCE(of_parent.running, 0) AS of_parent
FROM job
LEFT JOIN job AS parent ON parent.id = job.parent_id
LEFT JOIN (SELECT server_id, COUNT(*) AS running FROM job WHERE state = 'running' GROUP BY server_id) AS of_server
    ON of_server.server_id = job.server_id
LEFT JOIN (SELECT parent_id, COUNT(*) AS running FROM job WHERE state = 'running' GROUP BY parent_id) AS of_parent
    ON of_parent.parent_id = job.parent_id
WHERE job.state = 'queued' AND job.action IN ({actions})
AND (COALESCE(of_server.running, 0) < ? OR job.action IN ({hasty}))
AND (parent.at_once IS NULL OR COALESCE(of_parent.running, 0) < parent.at_once)
AND NOT EXISTS (
    SELECT 1 FROM job AS other
    WHERE other.vm_id = job.vm_id AND other.finished_at IS NULL AND (
        other.state = 'running' AND (job.action NOT IN ({hasty}) OR other.action NOT IN ({slow}))
        OR other.id < job.id AND job.action NOT IN ({hasty})
    )
)
ORDER BY job.id LIMIT ?
"""

Perform = Callable[[Job], Awaitable[None]]
"""Begins to carry out a job whose row says that it is running, and does not wait for its end."""


class Queue:
    """Has queued jobs of these actions carried out: of a server no more than ``most_of_server`` at a time."""

    def __init__(self, perform: Perform, actions: Collection[str], most_of_server: int) -> None:
        self._perform = perform
        self._actions = tuple(actions)
        self._most_of_server = most_of_server
        self._query = _TURNS.format(
            actions=marks(self._actions),
            hasty=_quoted(SUPERSEDES),
            slow=_quoted(action for actions in SUPERSEDES.values() for action in actions),
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Take jobs up in the block."""
        task = asyncio.create_task(self._run(), name="job queue")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        with told_of_turns() as woken:
            while True:
                try:
                    while await self._take_up():
                        pass
                except DatabaseUnavailable as error:
                    log.warning("queue.unread", reason=str(error))
                except Exception:
                    log.exception("queue.failed")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await woken.wait()
                woken.clear()

    async def _take_up(self) -> bool:
        """Begin the jobs whose turn it is; whether there may be more of them."""
        begun = 0
        of_server: Counter[int] = Counter()
        of_parent: Counter[int] = Counter()
        for row in await rows(self._query, *self._actions, self._most_of_server, _AT_ONCE):
            server, parent = row["server_id"], row["parent_id"]
            if row["of_server"] + of_server[server] >= self._most_of_server and row["action"] not in SUPERSEDES:
                continue
            if row["at_once"] is not None and row["of_parent"] + of_parent[parent] >= row["at_once"]:
                continue
            job = await begin(row["id"], self._most_of_server)
            if job is None:
                continue
            begun += 1
            of_server[server] += 1
            of_parent[parent] += 1
            await self._perform(job)
        return begun > 0


def _quoted(actions: Iterable[str]) -> str:
    # names of our own table, which no user has a hand in
    return ", ".join(f"'{action}'" for action in actions)
