# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking a VM away."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import delete as core_delete
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan
from hostler.dispatch import Action
from hostler.engine import Engine
from hostler.jobs.ledger import open_job, require_free
from hostler.jobs.track import JobTrack
from hostler.machines.asked import Asked
from hostler.machines.dry_run import DryRun, dry_run_of, dry_run_of_words
from hostler.machines.forgetting import forget
from hostler.machines.leftovers import delete_left, left_disks
from hostler.machines.models import Machine, MachineStatus
from hostler.machines.operation import find, order_of, set_status
from hostler.machines.schemas import Deleted


async def delete(engine: Engine, asked: Asked, row: Machine, delete_disks: bool) -> Deleted | DryRun:
    """Power the VM off, undefine it, delete the disks that are its own, and forget it.

    One that its host no longer has is only forgotten. Raises `Protected`, `PreconditionFailed`.
    """
    asked.check(row)
    await require_free(row)  # one that is being created, say, is not there yet
    host = engine.host(row.server)
    uuid, name = row.uuid, row.name

    def look(hypervisor: Hypervisor) -> tuple[ObservedMachine | None, Plan]:
        return find(hypervisor, uuid), core_delete.plan_for(hypervisor, uuid, delete_disks)

    # asked before there is a job, so that a protected VM has none; and for whoever finds the VM gone after a crash
    observed, plan = await host.call(look)
    if asked.dry_run:
        if observed is None:
            return dry_run_of_words(f"Forget VM '{name}', which its host no longer has", None, [])
        return dry_run_of(plan, observed, core_delete.deleted_disks(plan))

    async def work(track: JobTrack) -> Mapping[str, Any]:
        # planned once more: until the job had the VM, anybody could start it
        disks = await host.call(
            lambda hypervisor: core_delete.delete(hypervisor, uuid, delete_disks, track.report, track.fence)
        )
        await host.call(partial(delete_left, paths=left))
        await forget(row.id)
        return {"changed": True, "deleted_disks": disks + left}

    left = await left_disks(row) if observed is None and delete_disks else []
    parameters = {"delete_disks": delete_disks, "disks": core_delete.deleted_disks(plan) + left}
    job = await open_job(order_of(engine, Action.DELETE, asked, parameters, plan), row, asked.check)
    await set_status(row, MachineStatus.DELETING)
    done = await engine.crew.carry_out(
        job, work, asked.preference, after=lambda: engine.watch.look_at(row.server_id, uuid)
    )
    if not plan.changed:
        return Deleted(
            message=f"VM '{name}' deleted successfully: its host no longer had it", detail=f"Deleted disks: {left}"
        )
    return Deleted(message=f"VM '{name}' deleted successfully", detail=f"Deleted disks: {done['deleted_disks']}")
