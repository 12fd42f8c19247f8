# SPDX-License-Identifier: GPL-3.0-or-later
"""One disk of a VM as it is wanted: looked at, planned, and, unless it is only asked for, done."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.change import require_possible
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.chassis import look
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.delete import deleted_disks
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.drives import DOERS
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.hotplug import answered
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.machine_doers import DOERS as MACHINE_DOERS
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.new_disk import new_source
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.one_machine import require_one
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.perform import perform
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.revision import count_change
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.sources import (
    path_in_pool,
    path_source,
    require_free,
    volume_source,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    HostUnreachable,
    VolumeNotFound,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import time_of_record
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.chassis import Chassis
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.disk import (
    Source,
    drive_as_data,
    plan_absent,
    plan_present,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.found_disk import Found, find_disk
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_disk import WantedDisk, validate_disk
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import OneMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import disk_gib
from ansible_collections.hostler.libvirt.plugins.module_utils.storage import holding_snapshots, owned_among


def ensure_disk(hypervisor: Hypervisor, which: OneMachine, wanted: WantedDisk, check: bool = False) -> Dict[str, Any]:
    """Bring that VM's disk to what is wanted; with ``check`` only say what that would change.

    Answers plain data: ``changed``, ``diff``, ``plan`` (steps), ``next_boot`` (options that a running VM gets then),
    ``disk`` (as it is now, None where there is none) and ``deleted_disks`` (paths). Raises what the plan and its steps
    raise.
    """
    wanted = validate_disk(wanted)
    domain = require_one(hypervisor, which)
    chassis = look(hypervisor, domain)
    path = _path(hypervisor, wanted)
    found = find_disk(wanted, chassis, path)
    if wanted.state == "absent":
        held = {} if found.drive is None else holding_snapshots(hypervisor, chassis.uuid)
        owned = _owned(hypervisor, wanted, chassis, found)
        plan = plan_absent(wanted, chassis, found, owned, None if found.drive is None else held.get(found.drive.target))
    else:
        source = None if found.drive is not None else _source(hypervisor, wanted, chassis)
        size = _size(hypervisor, chassis, found) if wanted.size_gb is not None else None
        plan = plan_present(wanted, chassis, found, source, size, time_of_record())
        require_possible(hypervisor, plan)
    if not check:
        perform(hypervisor, plan, doers={**MACHINE_DOERS, **DOERS})
        count_change(hypervisor, domain.uuid, chassis.record, plan)
        chassis = look(hypervisor, domain)
        found = find_disk(wanted, chassis, path)
    return _answer(hypervisor, plan, chassis, found)


def _path(hypervisor: Hypervisor, wanted: WantedDisk) -> Optional[str]:
    """Where what is named as the disk's source is on the host."""
    return wanted.path if wanted.volume is None else path_in_pool(hypervisor, wanted.pool, wanted.volume)


def _owned(hypervisor: Hypervisor, wanted: WantedDisk, chassis: Chassis, found: Found) -> List[str]:
    if wanted.delete != "owned" or found.drive is None:
        return []
    files = [drive for drive in (found.running, found.defined) if drive is not None]
    return owned_among(hypervisor, files, chassis.uuid, chassis.record)


def _source(hypervisor: Hypervisor, wanted: WantedDisk, chassis: Chassis) -> Optional[Source]:
    """What a new disk is made of; None where nothing says it."""
    source = None
    if wanted.path is not None:
        source = path_source(hypervisor, wanted.path, wanted.format)
    elif wanted.volume is not None:
        source = volume_source(hypervisor, wanted.pool, wanted.volume, wanted.format)
        if source is None and wanted.size_gb is None:
            raise VolumeNotFound(f"Volume '{wanted.volume}' not found in storage pool '{wanted.pool}'", "volume")
    if source is None:
        source = None if wanted.size_gb is None else new_source(hypervisor, wanted, wanted.size_gb, chassis)
        if source is None or wanted.volume is None:
            return source  # nobody can have what is made now under a name that was free
    drives = (*chassis.defined_drives, *chassis.running_drives)
    read_only = bool(wanted.read_only)
    field = "volume" if wanted.path is None else "path"
    require_free(hypervisor, chassis.uuid, drives, source.path, bool(wanted.shareable), read_only, field)
    return source


def _size(hypervisor: Hypervisor, chassis: Chassis, found: Found) -> Optional[int]:
    """The disk's virtual size in bytes; None where the host can't tell."""
    drive = found.running or found.defined
    if drive is None:
        return None
    target = drive.target
    if found.running is not None:
        return answered(hypervisor, chassis.uuid, lambda domain: domain.disk_size(target))
    if chassis.is_active:  # libvirt would ask the running VM, which has no such disk
        volume = None if drive.path is None else hypervisor.find_volume_at(drive.path)
        return None if volume is None else volume.facts().capacity
    return hypervisor.domain(chassis.uuid).disk_size(target)


def _answer(hypervisor: Hypervisor, plan: Plan, chassis: Chassis, found: Found) -> Dict[str, Any]:
    return {
        **plan.as_answer(),
        "disk": _disk(hypervisor, chassis, found),
        "deleted_disks": deleted_disks(plan),
    }


def _disk(hypervisor: Hypervisor, chassis: Chassis, found: Found) -> Optional[Dict[str, Any]]:
    if found.drive is None:
        return None
    try:
        size = _size(hypervisor, chassis, found)
    except HostUnreachable:
        raise
    except HostlerError:
        size = None  # its QEMU hangs; all else of it is known
    sides = {"defined": found.defined is not None, "running": found.running is not None}
    return {**drive_as_data(found.drive), "size_gb": None if size is None else disk_gib(size), **sides}
