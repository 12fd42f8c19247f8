# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of jobs whose process was killed: the host is looked at, then the job is finished, undone or failed.

It happens when a host is first reached again, job by job; until then the job holds its VM.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import structlog

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import delete
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.disks import delete_volume
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.observe import observe
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError, HostUnreachable
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import DeleteVolume
from hostler.database import rows
from hostler.dispatch import Action
from hostler.hosts.connection import HostConnection
from hostler.hosts.models import Server
from hostler.jobs.ledger import PROCESS, close_job
from hostler.jobs.models import Job, JobState
from hostler.machines.models import Machine
from hostler.machines.observation import write_down
from hostler.machines.undoing import undo_create

log = structlog.get_logger(__name__)

_CUT_OFF = "The service was stopped while this ran"


async def recover(server: Server, host: HostConnection) -> None:
    """Settle the jobs on that host whose process is gone, and what others left when it went away.

    Raises `HostUnreachable`.
    """
    for job in await Job.filter(server_id=server.id, state=JobState.RUNNING.value).exclude(lease_owner=PROCESS):
        try:
            await _settle(job, server, host)
        except HostUnreachable:
            raise
        except HostlerError as error:
            log.warning("job.recovery_failed", job=job.id, reason=error.message)
            await _fail(job, f"{_CUT_OFF}, and what it left could not be put right: {error.message}")
    await sweep_unfinished(server, host)


async def sweep_unfinished(server: Server, host: HostConnection) -> None:
    """Take away what failed creates could not take back, because the host was gone by then or still at work on it.

    Raises `HostUnreachable`.
    """
    # one statement: a create may begin or end between two
    unfinished = await rows(
        "SELECT id FROM vm WHERE server_id = ? AND status = 'creating'"
        " AND NOT EXISTS (SELECT 1 FROM job WHERE job.vm_id = vm.id AND job.state = 'running')",
        server.id,
    )
    for row in await Machine.filter(id__in=[one["id"] for one in unfinished]):
        observed = await host.call(partial(_look, uuid=row.uuid))
        if observed is not None and (observed.record is None or observed.record.id != row.id):
            continue  # by the number in its record it is another service's, which may be at work on it
        try:
            await host.call(partial(undo_create, uuid=row.uuid))
        except HostUnreachable:
            raise
        except HostlerError as error:
            log.warning("vm.unfinished_stays", host=server.hostname, vm=row.id, reason=error.message)
            continue
        await row.delete()
        log.info("vm.unfinished_removed", host=server.hostname, vm=row.id, name=row.name)


async def _settle(job: Job, server: Server, host: HostConnection) -> None:
    uuid = job.vm_uuid or ""
    row = await Machine.get_or_none(id=job.vm_id)
    observed = await host.call(lambda hypervisor: _look(hypervisor, uuid))
    if job.action == Action.CREATE and (observed is None or _is_incomplete(observed)):
        # the record on the host says that this is the rest of a create, so it is ours to take away
        await host.call(lambda hypervisor: delete.delete(hypervisor, uuid))
        await _fail(job, f"{_CUT_OFF}; what it had made was taken away")
        if row is not None:
            await row.delete()
    elif job.action == Action.DELETE and observed is None:
        await host.call(lambda hypervisor: _delete_planned_disks(hypervisor, job))
        await close_job(job, JobState.SUCCEEDED, result={"recovered": True})
        if row is not None:
            await row.delete()
    else:
        if row is not None and observed is not None:
            await write_down(row, observed, server)
        if observed is not None and _is_done(job, observed):
            await close_job(job, JobState.SUCCEEDED, result={"recovered": True})
        else:
            await _fail(job, f"{_CUT_OFF}; the VM is {'gone' if observed is None else observed.status}")
    log.info("job.recovered", job=job.id, action=job.action, vm=job.vm_id)


def _is_done(job: Job, observed: ObservedMachine) -> bool:
    """Whether the VM is what the job was to make of it."""
    if job.action == Action.CREATE:
        return True
    if job.action == Action.START:
        return observed.is_active
    if job.action in (Action.STOP, Action.FORCE_STOP):
        return not observed.is_active
    if job.action == Action.RESIZE:
        has: Mapping[str, Any] = observed.as_data()
        return all(has.get(name) == value for name, value in job.parameters.items() if value is not None)
    return False


def _is_incomplete(observed: ObservedMachine) -> bool:
    return observed.record is not None and observed.record.incomplete


def _look(hypervisor: Hypervisor, uuid: str) -> ObservedMachine | None:
    domain = hypervisor.find_domain(uuid) if uuid else None
    return None if domain is None else observe(hypervisor, domain)


def _delete_planned_disks(hypervisor: Hypervisor, job: Job) -> None:
    disks = job.parameters.get("disks")
    for path in disks if isinstance(disks, list) else []:
        delete_volume(hypervisor, DeleteVolume(str(path)))


async def _fail(job: Job, detail: str) -> None:
    await close_job(job, JobState.FAILED, error_code="cut_off", error_detail=detail)
