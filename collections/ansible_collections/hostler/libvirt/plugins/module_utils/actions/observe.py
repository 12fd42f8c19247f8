# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading what a VM is."""

from __future__ import annotations

from typing import Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import DomainDefinition
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import read_domain
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import (
    SHUTOFF,
    ObservedDisk,
    ObservedMachine,
    status_of,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.network import guest_address


def observe(hypervisor: Hypervisor, domain: Domain) -> ObservedMachine:
    """Read what ``domain`` is. Raises `MachineNotFound` if it goes away meanwhile, `HostUnreachable`."""
    state, reason = domain.state_and_reason()
    active = domain.is_active()
    persistent = domain.is_persistent()
    definition = read_domain(domain.xml(inactive=persistent))
    running = read_domain(domain.xml()) if active else definition
    return ObservedMachine(
        uuid=domain.uuid,
        name=domain.name,
        status=_status(domain, state, reason, definition),
        is_active=active,
        is_persistent=persistent,
        autostart=domain.autostart(),
        definition=definition,
        disks=tuple(
            ObservedDisk(disk.target, disk.device, disk.path, disk.format, _size(domain, disk.target, disk.device))
            for disk in definition.disks
        ),
        vnc_port=next((shown.port for shown in running.graphics if shown.type == "vnc"), None) if active else None,
        address=guest_address(hypervisor, domain, running) if active else None,
        running=running if active else None,
    )


def _status(domain: Domain, state: int, reason: int, definition: DomainDefinition) -> str:
    if state == SHUTOFF and definition.record is not None and definition.record.incomplete:
        return "creating"
    return status_of(state, reason, state == SHUTOFF and domain.has_managed_save())


def _size(domain: Domain, target: str, device: str) -> Optional[int]:
    return domain.disk_size(target) if device == "disk" else None
