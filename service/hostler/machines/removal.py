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
from hostler.jobs.holders import require_free
from hostler.jobs.idempotency import Attempt, once, result_again
from hostler.jobs.ledger import open_job
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
    if asked.dry_run:
        observed, plan, _ = await _planned_now(engine, asked, row, delete_disks)
        if observed is None:
            return dry_run_of_words(f"Forget VM '{row.name}', which its host no longer has", None, [])
        return dry_run_of(plan, observed, core_delete.deleted_disks(plan))

    async def begin(attempt: Attempt | None) -> Mapping[str, Any]:
        asked.check(row)
        parameters: dict[str, Any] = {"delete_disks": delete_disks}
        known = None
        if not await waits(asked, row):
            # asked before there is a job, so that a protected VM has none
            _, plan, left = await _planned_now(engine, asked, row, delete_disks)
            if not asked.preference.respond_async:
                known = plan
                # for whoever finds the VM gone after a crash
                parameters["disks"] = core_delete.deleted_disks(plan) + left
        order = order_of(engine, Action.DELETE, asked, parameters, known, attempt=attempt)
        return await carry_out(engine, asked, row, await open_job(order, row, asked.check), do_delete)

    attempt = asked.attempt(Action.DELETE, row.id, {"delete_disks": delete_disks})
    return _answer(row.name, await once(attempt, engine.crew, asked.preference, begin))


async def deleted_before(engine: Engine, asked: Asked, vm: int | str, delete_disks: bool) -> Deleted | None:
    """What a delete of a VM that is gone was answered, if it was made under the same key; by its id, or its UUID."""
    job = None
    if asked.key is not None:
        ours = Job.filter(actor_id=asked.caller.user_id, action=Action.DELETE.value, idempotency_key=asked.key)
        job = await ours.first()
    if job is None or job.vm_id is None or vm not in (job.vm_id, job.vm_uuid):
        return None
    attempt = asked.attempt(Action.DELETE, job.vm_id, {"delete_disks": delete_disks})
    first = None if attempt is None else await attempt.first()
    return (
        None if first is None else _answer(job.vm_name or "", await result_again(first, engine.crew, asked.preference))
    )


def _answer(name: str, done: Mapping[str, Any]) -> Deleted:
    gone = "" if done.get("was_there", True) else ": its host no longer had it"
    return Deleted(
        message=f"VM '{name}' deleted successfully{gone}", detail=f"Deleted disks: {done.get('deleted_disks', [])}"
    )


async def _planned_now(
    engine: Engine, asked: Asked, row: Machine, delete_disks: bool
) -> tuple[ObservedMachine | None, Plan, list[str]]:
    """What there is to do, before there is a job, and which disks a delete that was cut off has left."""
    asked.check(row)
    await require_free(row)  # one that is being created, say, is not there yet
    observed, plan = await _planned(engine, row, delete_disks)
    return observed, plan, await left_disks(row) if observed is None and delete_disks else []


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
