# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of jobs whose process was killed: the host is looked at, then the job is finished, undone or failed.

It happens when a host is first reached again, job by job; until then the job holds its VM.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import structlog

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.observe import observe
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.survey import look_at
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    HostTimeout,
    HostUnreachable,
    OperationFailed,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.change import plan_change
from hostler.database import check_fence, rows
from hostler.dispatch import Action
from hostler.hosts.connection import HostConnection, reading_seconds
from hostler.hosts.models import Server
from hostler.jobs.ledger import PROCESS, close_job
from hostler.jobs.models import Executor, Job, JobState
from hostler.machines.forgetting import forget
from hostler.machines.leftovers import delete_left, left_disks, planned_disks
from hostler.machines.models import Machine, MachineStatus
from hostler.machines.observation import write_down
from hostler.machines.schemas import CreatedVm
from hostler.machines.snapshot_name import is_there
from hostler.machines.undoing import undo_create
from hostler.machines.wanted import change_of
from hostler.services.alive import alive_processes

log = structlog.get_logger(__name__)

_CUT_OFF = "The service was stopped while this ran"


async def recover(server: Server, host: HostConnection) -> None:
    """Settle the jobs of VMs on that host whose process is gone, and what others left when it went away.

    Raises `HostUnreachable`.
    """
    jobs = await Job.filter(server_id=server.id, state=JobState.RUNNING.value, vm_id__not_isnull=True)
    # asked after the jobs were read: whoever has begun one of them was there before
    alive = await alive_processes() if jobs else ()
    for job in (one for one in jobs if one.lease_owner not in alive):
        if job.executor == Executor.AWX.value:  # it goes on there, and is followed by `hostler.machines.resumption`
            mine = Job.filter(id=job.id, lease_owner=job.lease_owner)  # of two that find it one takes it
            await mine.update(lease_owner=PROCESS, attempt=job.attempt + 1)
            continue
        with structlog.contextvars.bound_contextvars(request_id=job.request_id):  # of whoever asked for it
            try:
                await settle(job, server, host)
            except HostUnreachable:
                raise
            except HostlerError as error:
                log.warning("job.recovery_failed", job=job.id, reason=error.message)
                await _fail(job, f"{_CUT_OFF}, and what it left could not be put right: {error.message}")
    await sweep_unfinished(server, host)


async def sweep_unfinished(server: Server, host: HostConnection) -> None:
    """Take away what failed creates and deletes could not, because the host was gone by then or still at work on it.

    Raises `HostUnreachable`.
    """
    # one statement: a job may begin or end between two
    unfinished = await rows(
        "SELECT id FROM vm WHERE server_id = ? AND status IN ('creating', 'deleting')"
        " AND NOT EXISTS (SELECT 1 FROM job WHERE job.vm_id = vm.id AND job.finished_at IS NULL)",
        server.id,
    )
    for row in await Machine.filter(id__in=[one["id"] for one in unfinished]):
        looks = await host.call(partial(look_at, uuids=[row.uuid]), seconds=reading_seconds(1))
        if row.uuid in looks.unreadable:
            continue
        observed = looks.seen.get(row.uuid)
        if observed is not None and row.status == MachineStatus.DELETING.value:
            await write_down(row, observed, server)  # it was not even begun
            continue
        if observed is not None and not await _is_ours(row, observed):
            continue  # another service's, which may be at work on it
        await check_fence()
        try:
            if row.status == MachineStatus.DELETING.value:
                await host.call(partial(delete_left, paths=await left_disks(row)))
            else:
                await host.call(partial(undo_create, uuid=row.uuid, name=row.name))
        except HostUnreachable:
            raise
        except HostlerError as error:
            log.warning("vm.unfinished_stays", host=server.hostname, vm=row.id, reason=error.message)
            continue
        await forget(row.id)
        log.info("vm.unfinished_removed", host=server.hostname, vm=row.id, name=row.name)


async def _is_ours(row: Machine, observed: ObservedMachine) -> bool:
    """Whether it is of a create of ours, which is over.

    One that appeared here, or has another number, is not; but for what the host has made only after the create had lost
    it, looked for what was left, and found nothing.
    """
    if row.revision and observed.record is not None and observed.record.id == row.id:
        return True
    over = [JobState.FAILED.value, JobState.CANCELED.value]
    return await Job.filter(action=Action.CREATE.value, vm_uuid=row.uuid, state__in=over).exists()


async def settle(job: Job, server: Server, host: HostConnection) -> None:
    """End a job that nobody carries out any more, by what its host has; raises the core's errors."""
    await check_fence()  # another service may have the host, and have settled this
    uuid = job.vm_uuid or ""
    row = await Machine.get_or_none(id=job.vm_id).select_related("server")
    try:
        observed = await host.call(partial(_look, uuid=uuid), seconds=reading_seconds(1))
    except HostTimeout:
        # not the host's: what answers no keepalive either is lost before that
        raise OperationFailed("what it is was not told in time") from None
    if job.action == Action.CREATE and (observed is None or _is_incomplete(observed)):
        # the record on the host says that this is the rest of a create, so it is ours to take away
        await host.call(partial(undo_create, uuid=uuid, name=job.vm_name or ""))
        await _fail(job, f"{_CUT_OFF}; what it had made was taken away")
        if row is not None:
            await forget(row.id)
    elif job.action == Action.DELETE and observed is None:
        await host.call(partial(delete_left, paths=planned_disks(job)))
        await close_job(job, JobState.SUCCEEDED, result={"recovered": True})
        if row is not None:
            await forget(row.id)
    else:
        if row is not None and observed is not None:
            await write_down(row, observed, server)
        if observed is not None and (_is_done(job, observed, server) or await is_there(job, host)):
            await close_job(job, JobState.SUCCEEDED, result={"recovered": True, **_answer(job, row)})
        else:
            await _fail(job, f"{_CUT_OFF}; the VM is {'gone' if observed is None else observed.status}")
    log.info("job.recovered", job=job.id, action=job.action, vm=job.vm_id)


def _is_done(job: Job, observed: ObservedMachine, server: Server) -> bool:
    """Whether the VM is what the job was to make of it."""
    if job.action == Action.CREATE:
        return True
    if job.action == Action.START:
        return observed.is_active
    if job.action in (Action.STOP, Action.FORCE_STOP):
        return not observed.is_active
    if job.action in (Action.RESIZE, Action.UPDATE):
        return _has_changed(job, observed, server)
    return False


def _has_changed(job: Job, observed: ObservedMachine, server: Server) -> bool:
    """Whether nothing is left of the change that the job was to make."""
    try:
        return not plan_change(observed, change_of(job.parameters), server.network).changed
    except HostlerError:
        return False  # it can't be made in the state that the VM is in, so something is left


def _answer(job: Job, row: Machine | None) -> Mapping[str, Any]:
    """What a client gets who asks again for the VM that was created, under its key."""
    if job.action != Action.CREATE or row is None:
        return {}
    return {"vm": CreatedVm.made(row, job.placement).model_dump(mode="json")}


def _is_incomplete(observed: ObservedMachine) -> bool:
    return observed.record is not None and observed.record.incomplete


def _look(hypervisor: Hypervisor, uuid: str) -> ObservedMachine | None:
    domain = hypervisor.find_domain(uuid) if uuid else None
    return None if domain is None else observe(hypervisor, domain)


async def _fail(job: Job, detail: str) -> None:
    await close_job(job, JobState.FAILED, error_code="cut_off", error_detail=detail)
