# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking a snapshot of a VM, after which those before it in its series are removed of which there are enough."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.hostler.libvirt.plugins.module_utils import errors as core
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_snapshot import ensure_snapshot
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_wish import SnapshotWish
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import OneMachine
from hostler.engine import Engine
from hostler.hosts.connection import Lane
from hostler.jobs.models import Job
from hostler.jobs.track import JobTrack
from hostler.machines.misfit import bad_field
from hostler.machines.models import Machine
from hostler.machines.operation import looking_again
from hostler.machines.snapshot_name import name_of


async def _snapshot(engine: Engine, row: Machine, job: Job, track: JobTrack) -> Mapping[str, Any]:
    asked: dict[str, Any] = {name: value for name, value in job.parameters.items() if name != "name"}
    wish = SnapshotWish(snapshot=name_of(job), **asked)

    def act(hypervisor: Hypervisor) -> Mapping[str, Any]:
        return ensure_snapshot(hypervisor, OneMachine(uuid=row.uuid), wish, on_step=track.report, fence=track.fence)

    try:
        done = await engine.host(row.server).call(act, lane=Lane.SLOW)
    except (core.InvalidSpec, core.Unsupported) as error:
        raise bad_field(error) from None
    return {"changed": done["changed"], "snapshot": done["snapshot"], "removed": done["removed"]}


do_snapshot = looking_again(_snapshot)
"""How the job is carried out."""
