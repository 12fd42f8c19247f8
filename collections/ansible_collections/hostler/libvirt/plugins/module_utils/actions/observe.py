# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading what a VM is."""

from __future__ import annotations

from typing import Callable, Mapping, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import DomainDefinition
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import read_domain
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.roster import RosterRow
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import (
    GuestAddress,
    ObservedDisk,
    ObservedMachine,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.network import guest_address
from ansible_collections.hostler.libvirt.plugins.module_utils.status import OFF, SHUTOFF, status_of


def observe(hypervisor: Hypervisor, domain: Domain, sizes: bool = True) -> ObservedMachine:
    """Read what ``domain`` is. Raises `MachineNotFound` if it goes away meanwhile, `HostUnreachable`.

    A QEMU that hangs is waited for for ever where it is asked for its disks' ``sizes``.
    """
    state, reason = domain.state_and_reason()
    active = domain.is_active()
    persistent = domain.is_persistent()
    definition = read_domain(domain.xml(inactive=persistent))
    running = read_domain(domain.xml()) if active else None
    saved = state == SHUTOFF and domain.has_managed_save()
    return assembled(
        definition,
        running,
        status=status_of_defined(status_of(state, reason, saved), definition),
        persistent=persistent,
        autostart=domain.autostart(),
        size_of=domain.disk_size if sizes else lambda _target: None,
        address=None if running is None else guest_address(hypervisor, domain, running),
    )


def glance(
    hypervisor: Hypervisor, row: RosterRow, xml: str, sizes: Optional[Mapping[str, int]] = None
) -> ObservedMachine:
    """As `observe`, of what libvirt knows by itself: nobody is waited for, whatever state the guest is in.

    ``xml`` is the domain's lasting definition, of a transient one that of its run.

    Where the guest is reached is not among that, nor is the size of a disk that a guest has open and no pool knows. Of
    several disks the first one's size is told; ``sizes`` by target are those of one that is off, where they are known.
    """
    domain = row.domain
    definition = read_domain(xml)
    running = read_domain(domain.xml()) if row.active else None

    def size_of(target: str) -> Optional[int]:
        if target != root:
            return None  # nobody asks for it, and each is a call
        if running is not None:
            return _size_of_volume(hypervisor, running, target)
        return domain.disk_size(target) if sizes is None else sizes.get(target)

    root = next((disk.target for disk in definition.disks if disk.device == "disk"), None)
    return assembled(
        definition,
        running,
        status=status_of_defined(row.status, definition),
        persistent=row.persistent,
        autostart=row.autostart,
        size_of=size_of,
        address=None,
    )


def _size_of_volume(hypervisor: Hypervisor, running: DomainDefinition, target: str) -> Optional[int]:
    path = next((disk.path for disk in running.disks if disk.target == target), None)
    volume = None if path is None else hypervisor.find_volume_at(path)
    return None if volume is None else volume.capacity()


def assembled(
    definition: DomainDefinition,
    running: Optional[DomainDefinition],
    *,
    status: str,
    persistent: bool,
    autostart: bool,
    size_of: Callable[[str], Optional[int]],
    address: Optional[GuestAddress],
) -> ObservedMachine:
    """The machine of what was read, ``running`` None for one that is off; ``size_of`` answers by a disk's target."""
    return ObservedMachine(
        uuid=definition.uuid,
        name=definition.name,
        status=status,
        is_active=running is not None,
        is_persistent=persistent,
        autostart=autostart,
        definition=definition,
        disks=tuple(
            ObservedDisk(
                disk.target,
                disk.device,
                disk.path,
                disk.format,
                size_of(disk.target) if disk.device == "disk" else None,
            )
            for disk in definition.disks
        ),
        vnc_port=None
        if running is None
        else next((shown.port for shown in running.graphics if shown.type == "vnc"), None),
        address=address,
        running=running,
    )


def status_of_defined(status: str, definition: DomainDefinition) -> str:
    """``status``, or "creating" for one that is off because its create has not ended."""
    unfinished = definition.record is not None and definition.record.incomplete
    return "creating" if unfinished and status in OFF else status
