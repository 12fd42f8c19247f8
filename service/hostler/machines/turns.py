# SPDX-License-Identifier: GPL-3.0-or-later
"""Which code carries out which job of a VM that has waited for its turn."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import structlog

from hostler.dispatch import Action
from hostler.engine import Engine
from hostler.errors import NotFound
from hostler.jobs.models import Job
from hostler.jobs.queue import Queue
from hostler.jobs.track import JobTrack
from hostler.machines import changing, creation, power, removal, snapshotting
from hostler.machines.models import Machine
from hostler.machines.operation import Perform, leaves_at_once, watch_for

_PERFORM: Mapping[Action, Perform] = {
    **power.PERFORM,
    Action.CREATE: creation.do_create,
    Action.RESIZE: changing.do_change,
    Action.UPDATE: changing.do_change,
    Action.DELETE: removal.do_delete,
    Action.SNAPSHOT: snapshotting.do_snapshot,
}


def queue_of(engine: Engine) -> Queue:
    """The queue whose jobs ``engine`` carries out."""
    return Queue(partial(_begin, engine), [action.value for action in _PERFORM], engine.settings.host_jobs)


async def _begin(engine: Engine, job: Job) -> None:
    row = await Machine.get_or_none(id=job.vm_id).select_related("server")

    async def work(track: JobTrack) -> Mapping[str, Any]:
        if row is None:
            raise NotFound(f"VM '{job.vm_name}' was deleted meanwhile", code="vm_not_found")
        return await _PERFORM[Action(job.action)](engine, row, job, track)

    def after() -> None:
        if row is not None:
            watch_for(engine, row)

    if job.supersedes_id is not None:
        engine.crew.cancel(job.supersedes_id)
    with structlog.contextvars.bound_contextvars(request_id=job.request_id):  # of whoever asked for it
        engine.crew.start(job, work, after, leaves_at_once(job))
