# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that a delete has left, because it was cut off after its VM had gone: no domain names them any more."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.volumes import delete_volume
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volume_steps import DeleteVolume
from hostler.dispatch import Action
from hostler.jobs.models import Job
from hostler.machines.models import Machine, MachineStatus


async def left_disks(row: Machine, before: int | None = None) -> list[str]:
    """Paths of the disks that the last delete of a VM was to delete, none of a VM whose delete was not cut off.

    Of a job that is a delete itself, the last one ``before`` it.
    """
    if row.status != MachineStatus.DELETING.value:
        return []  # who else has removed it may want to keep them
    deletes = Job.filter(vm_id=row.id, action=Action.DELETE.value)
    if before is not None:
        deletes = deletes.filter(id__lt=before)
    job = await deletes.order_by("-id").first()
    return [] if job is None else planned_disks(job)


def planned_disks(job: Job) -> list[str]:
    """Paths of the disks that the job of a delete was to delete."""
    disks = job.parameters.get("disks")
    return [str(path) for path in disks] if isinstance(disks, list) else []


def delete_left(hypervisor: Hypervisor, paths: Iterable[str]) -> None:
    """Delete these disks; one that is gone is no error. Raises `OperationFailed` for one that is in use by now."""
    for path in paths:
        delete_volume(hypervisor, DeleteVolume(path))
