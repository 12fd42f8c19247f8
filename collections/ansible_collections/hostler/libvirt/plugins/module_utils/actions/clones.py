# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations that make a VM of another one."""

from __future__ import annotations

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.disks import grown
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.doers import Doers
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.domains import as_new
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    GuestTimeout,
    HostlerError,
    HostUnreachable,
    NameTaken,
    VolumeNotFound,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.snapshot import Snapshots
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.volume import Volume
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.clone_steps import CloneDisk, DefineClone
from ansible_collections.hostler.libvirt.plugins.module_utils.storage import path_of


def define(hypervisor: Hypervisor, operation: DefineClone) -> None:
    """Define the new domain; another one that is just being made under its UUID is not replaced."""
    with as_new(hypervisor, operation.name, operation.uuid, again=False):
        hypervisor.redefine(operation.xml)


def clone_disk(hypervisor: Hypervisor, operation: CloneDisk) -> None:
    """Make the disk of the other one. Whatever has its name by now is never overwritten."""
    pool = hypervisor.pool(operation.pool).require_active()
    source = hypervisor.find_volume_at(operation.path)
    if source is None:
        raise VolumeNotFound(f"{operation.path} is gone by now, before it was cloned", "source")
    if pool.find_volume(operation.name) is not None:
        raise NameTaken(f"A volume '{operation.name}' is in storage pool '{operation.pool}' by now")
    _require_still(hypervisor, operation, source)
    if operation.linked:
        pool.create_volume(operation.name, operation.capacity, operation.format, backing=source.facts())
        # who removes the snapshot from now on finds that this is built upon it; who began before is found here
        _require_still(hypervisor, operation, source)
        return
    copy = pool.copy_volume(operation.name, operation.capacity, operation.format, source)
    # QEMU locks what qemu-img reads, but libvirt copies raw ones without a lock
    _require_still(hypervisor, operation, source)
    grown(copy, operation.capacity)


def _require_still(hypervisor: Hypervisor, operation: CloneDisk, source: Volume) -> None:
    """Raise `WrongState` if anybody may write to what is cloned by now, or has done so since the plan was made."""
    domain = hypervisor.domain(operation.source_uuid)
    if not operation.snapshot:
        if domain.is_active():
            raise WrongState("The VM that is cloned was started while its disks were copied", "source")
        # it may have been off again before that was seen, with a part of its disks copied before, and a part after
        _require_unwritten(operation, source)
        return
    there = Snapshots(domain).find(operation.snapshot)
    frozen = [] if there is None else [one for one in there.frozen_disks if one.target == operation.target]
    if not any(path_of(hypervisor, one) == operation.path for one in frozen) or _is_merging(domain, operation.target):
        raise WrongState(
            f"Snapshot '{operation.snapshot}' of VM '{domain.name}' was removed while it was cloned", "snapshot"
        )
    _require_unwritten(operation, source)


def _require_unwritten(operation: CloneDisk, source: Volume) -> None:
    if source.facts().modified != operation.modified:
        raise WrongState(f"Disk {operation.target} of the VM that is cloned was written to meanwhile", "source")


def _is_merging(domain: Domain, target: str) -> bool:
    try:
        return domain.is_active() and domain.is_merging(target)
    except (HostUnreachable, GuestTimeout):
        raise
    except HostlerError:
        return False  # it is off by now, or runs without that disk, and nothing is merged


DOERS: Doers = {DefineClone: define, CloneDisk: clone_disk}
"""What `perform` does for each of them."""
