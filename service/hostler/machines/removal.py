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
from hostler.jobs.models import Executor, Job
from hostler.jobs.track import JobTrack
from hostler.machines.asked import Asked
from hostler.machines.dry_run import DryRun, dry_run_of, dry_run_of_words
from hostler.machines.forgetting import forget
from hostler.machines.leftovers import delete_left, left_disks, planned_disks
from hostler.machines.models import Machine, MachineStatus
from hostler.machines.operation import carry_out, find, order_of, set_status, waits
from hostler.machines.schemas import Deleted


async def delete(engine: Engine, asked: Asked, row: Machine, delete_disks: bool) -> Deleted | DryRun:
    """Power the VM off, undefine it, delete the disks that are its own, and forget it.

    One that its host no longer has is only forgotten. Raises `Protected`, `PreconditionFailed`.
    """
    asked.check(row)
    plan, left = None, []
    if not await waits(asked, row):
        await require_free(row)  # one that is being created, say, is not there yet
        # asked before there is a job, so that a protected VM has none
        observed, plan = await _planned(engine, row, delete_disks)
        if asked.dry_run:
            if observed is None:
                return dry_run_of_words(f"Forget VM '{row.name}', which its host no longer has", None, [])
            return dry_run_of(plan, observed, core_delete.deleted_disks(plan))
        left = await left_disks(row) if observed is None and delete_disks else []
    parameters: dict[str, Any] = {"delete_disks": delete_disks}
    if plan is not None and not asked.preference.respond_async:
        # for whoever finds the VM gone after a crash
        parameters["disks"] = core_delete.deleted_disks(plan) + left
    else:
        plan = None
    name = row.name
    job = await open_job(order_of(engine, Action.DELETE, asked, parameters, plan), row, asked.check)
    done = await carry_out(engine, asked, row, job, do_delete)
    gone = "" if done.get("was_there", True) else ": its host no longer had it"
    return Deleted(
        message=f"VM '{name}' deleted successfully{gone}", detail=f"Deleted disks: {done.get('deleted_disks', [])}"
    )


async def do_delete(engine: Engine, row: Machine, job: Job, track: JobTrack) -> Mapping[str, Any]:
    """How the job of a delete is carried out."""
    host, uuid = engine.host(row.server), row.uuid
    delete_disks = bool(job.parameters["delete_disks"])
    if job.plan is None:  # it has waited, and what there is to do is known only now
        observed, plan = await _planned(engine, row, delete_disks)
        left = await left_disks(row, job.id) if observed is None and delete_disks else []
        job.parameters["disks"] = core_delete.deleted_disks(plan) + left
        await job.save(update_fields=["parameters"])
        await track.decide(Executor.DIRECT, plan.as_data())
    assert isinstance(job.plan, dict)  # noqa: S101 - the plan of a create alone may be anything else
    was_there = bool(job.plan["changed"])
    left = [] if was_there else planned_disks(job)
    await set_status(row, MachineStatus.DELETING)
    # planned once more: until the job had the VM, anybody could start it
    disks = await host.call(
        lambda hypervisor: core_delete.delete(hypervisor, uuid, delete_disks, track.report, track.fence)
    )
    await host.call(partial(delete_left, paths=left))
    await forget(row.id)
    return {"changed": True, "was_there": was_there, "deleted_disks": disks + left}


async def _planned(engine: Engine, row: Machine, delete_disks: bool) -> tuple[ObservedMachine | None, Plan]:
    uuid = row.uuid

    def look(hypervisor: Hypervisor) -> tuple[ObservedMachine | None, Plan]:
        return find(hypervisor, uuid), core_delete.plan_for(hypervisor, uuid, delete_disks)

    return await engine.host(row.server).call(look)
