# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at a VM for its devices' sake: fast, and without a question that a sick guest could hang."""

from __future__ import annotations

import dataclasses
from typing import Optional, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.observe import status_of_defined
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.drive import Drive, read_drives
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.nic import read_nics
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import read_domain
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.chassis import Chassis
from ansible_collections.hostler.libvirt.plugins.module_utils.status import SHUTOFF, status_of
from ansible_collections.hostler.libvirt.plugins.module_utils.storage import path_of


def look(hypervisor: Hypervisor, domain: Domain) -> Chassis:
    """What the VM is as it is defined and as it runs."""
    state, reason = domain.state_and_reason()
    defined = domain.xml(inactive=True) if domain.is_persistent() else None
    running = domain.xml() if domain.is_active() else None
    saved = state == SHUTOFF and domain.has_managed_save()
    definition = read_domain(defined or running or domain.xml())
    return Chassis(
        uuid=domain.uuid,
        name=domain.name,
        status=status_of_defined(status_of(state, reason, saved), definition),
        defined_xml=defined,
        running_xml=running,
        record=definition.record,
        defined_drives=_drives(hypervisor, defined),
        running_drives=_drives(hypervisor, running),
        defined_nics=() if defined is None else read_nics(defined),
        running_nics=() if running is None else read_nics(running),
    )


def _drives(hypervisor: Hypervisor, xml: Optional[str]) -> Tuple[Drive, ...]:
    """The drives, with the paths of those that name a volume of a pool."""
    drives = () if xml is None else read_drives(xml)
    return tuple(dataclasses.replace(drive, path=path_of(hypervisor, drive)) for drive in drives)
