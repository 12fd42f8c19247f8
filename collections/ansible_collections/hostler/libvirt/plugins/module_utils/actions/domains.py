# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations on a domain."""

from __future__ import annotations

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import power
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.edit import resized
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import read_domain
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.write import domain_xml
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    NameTaken,
    OperationFailed,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.change import MUST_BE_STOPPED
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import (
    DefineDomain,
    PowerOff,
    ResizeDomain,
    SetAutostart,
    StartDomain,
    StopDomain,
    UndefineDomain,
    WriteRecord,
)


def define(hypervisor: Hypervisor, operation: DefineDomain) -> None:
    """Define the domain; what a create of it that was cut off has left is replaced."""
    definition = operation.definition
    namesake = hypervisor.find_domain_named(definition.name)
    if namesake is not None and namesake.uuid != definition.uuid:
        raise NameTaken(f"A VM named '{definition.name}' already exists on this host", "name")
    present = hypervisor.find_domain(definition.uuid)
    if present is not None and not is_unfinished(present):
        raise NameTaken(f"A VM with UUID {definition.uuid} already exists on this host", "uuid")
    hypervisor.define(domain_xml(definition))


def is_unfinished(domain: Domain) -> bool:
    """Whether a create of ours made that domain, and has not ended."""
    record = read_domain(domain.xml(inactive=True)).record
    return record is not None and record.incomplete


def write_record(hypervisor: Hypervisor, operation: WriteRecord) -> None:
    """Write the record the domain carries."""
    hypervisor.domain(operation.uuid).set_record(operation.record)


def set_autostart(hypervisor: Hypervisor, operation: SetAutostart) -> None:
    """Start it with its host, or not."""
    hypervisor.domain(operation.uuid).set_autostart(operation.autostart)


def resize(hypervisor: Hypervisor, operation: ResizeDomain) -> None:
    """Write other sizes into its definition, and see that libvirt took them."""
    domain = hypervisor.domain(operation.uuid)
    if domain.is_active():
        raise WrongState(MUST_BE_STOPPED)
    before = domain.xml(inactive=True, secure=True)
    hypervisor.redefine(resized(before, operation.sizes))
    now = read_domain(domain.xml(inactive=True))
    wanted = operation.sizes
    if (wanted.vcpus not in (None, now.vcpus)) or (wanted.memory_kib not in (None, now.memory_kib)):
        hypervisor.redefine(before)  # or half of the change would stay
        raise OperationFailed("Failed to resize VM: its definition has a NUMA layout that fixes its sizes")


def start(hypervisor: Hypervisor, operation: StartDomain) -> None:
    """Power it on; one that is on already stays as it is."""
    power.start(hypervisor, operation.uuid)


def stop(hypervisor: Hypervisor, operation: StopDomain) -> None:
    """Have the guest power off."""
    power.stop(hypervisor, operation.uuid, operation.timeout, operation.force)


def power_off(hypervisor: Hypervisor, operation: PowerOff) -> None:
    """Pull its plug; one that is off, or gone, already is no error."""
    if hypervisor.find_domain(operation.uuid) is not None:
        power.force_stop(hypervisor, operation.uuid)


def undefine(hypervisor: Hypervisor, operation: UndefineDomain) -> None:
    """Remove its definition and what libvirt keeps with it; one that is gone already is no error."""
    domain = hypervisor.find_domain(operation.uuid)
    if domain is not None and domain.is_persistent():
        domain.undefine()
