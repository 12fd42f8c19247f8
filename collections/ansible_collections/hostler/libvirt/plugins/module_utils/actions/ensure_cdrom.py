# SPDX-License-Identifier: GPL-3.0-or-later
"""A CD-ROM drive of a VM as it is wanted: looked at, planned, and, unless it is only asked for, done."""

from __future__ import annotations

from typing import Any, Dict, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.chassis import look
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.drives import DOERS
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.one_machine import require_one
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.perform import perform
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.sources import path_source, volume_source
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import VolumeNotFound
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.cdrom import (
    WantedCdrom,
    cdrom_as_data,
    find_cdrom,
    plan_cdrom,
    validate_cdrom,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.disk import Source
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import OneMachine

# a medium is what its bytes are: nobody asks it what it would like to be
_FORMAT = "raw"


def ensure_cdrom(hypervisor: Hypervisor, which: OneMachine, wanted: WantedCdrom, check: bool = False) -> Dict[str, Any]:
    """Bring that VM's drive to what is wanted; with ``check`` only say what that would change.

    Answers plain data: ``changed``, ``diff``, ``plan`` (steps), ``next_boot`` (options that a running VM gets then) and
    ``cdrom`` (as it is now, None where there is none). Raises what the plan and its steps raise.
    """
    wanted = validate_cdrom(wanted)
    domain = require_one(hypervisor, which)
    chassis = look(hypervisor, domain)
    found = find_cdrom(wanted, chassis)
    plan = plan_cdrom(wanted, chassis, found, _medium(hypervisor, wanted))
    if not check:
        perform(hypervisor, plan, doers=DOERS)
        found = find_cdrom(wanted, look(hypervisor, domain))
    return {**plan.as_answer(), "cdrom": cdrom_as_data(found)}


def _medium(hypervisor: Hypervisor, wanted: WantedCdrom) -> Optional[Source]:
    if wanted.path is not None:
        return path_source(hypervisor, wanted.path, _FORMAT)
    if wanted.volume is None:
        return None
    source = volume_source(hypervisor, wanted.pool, wanted.volume, _FORMAT)
    if source is None:
        raise VolumeNotFound(f"Volume '{wanted.volume}' not found in storage pool '{wanted.pool}'", "volume")
    return source
