# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations on a domain."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import Callable, Iterator

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import power, saved_memory
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.doers import Undo
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.names import require_free_name
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import read_domain
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.write import domain_xml
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import NameTaken, OperationFailed
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.machine_steps import (
    DefineDomain,
    SetAutostart,
    UndefineDomain,
    WriteRecord,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power_steps import (
    PowerOff,
    ResetDomain,
    RestartDomain,
    RestoreDomain,
    ResumeDomain,
    SaveDomain,
    StartDomain,
    StopDomain,
    SuspendDomain,
)


def define(hypervisor: Hypervisor, operation: DefineDomain) -> None:
    """Define the domain; what a create of it that was cut off has left is replaced."""
    definition = operation.definition
    with as_new(hypervisor, definition.name, definition.uuid):
        hypervisor.define(domain_xml(definition))


@contextmanager
def as_new(hypervisor: Hypervisor, name: str, uuid: str, again: bool = True) -> Iterator[None]:
    """Raise `NameTaken` where the name or the UUID of what the block defines is a VM's, before it or by then.

    With ``again`` what a making of it that was cut off has left under that UUID is no VM.
    """
    require_free_name(hypervisor, name, uuid)
    present = hypervisor.find_domain(uuid)
    if present is not None and not (again and is_unfinished(present)):
        raise NameTaken(f"A VM with UUID {uuid} already exists on this host", "uuid")
    try:
        yield
    except OperationFailed:  # libvirt has no code of its own for a name that somebody else took meanwhile
        require_free_name(hypervisor, name, uuid)
        raise


def is_unfinished(domain: Domain) -> bool:
    """Whether a create of ours made that domain, and has not ended."""
    record = domain.record()
    return record is not None and record.incomplete


def write_record(hypervisor: Hypervisor, operation: WriteRecord) -> Undo:
    """Write the record the domain carries."""
    domain = hypervisor.domain(operation.uuid)
    before = read_domain(domain.xml(inactive=True)).record
    domain.set_record(operation.record)
    return partial(domain.set_record, before)


def set_autostart(hypervisor: Hypervisor, operation: SetAutostart) -> Undo:
    """Start it with its host, or not."""
    domain = hypervisor.domain(operation.uuid)
    before = domain.autostart()
    domain.set_autostart(operation.autostart)
    return partial(domain.set_autostart, before)


def start(hypervisor: Hypervisor, operation: StartDomain) -> None:
    """Power it on; one that is on already stays as it is."""
    power.start(hypervisor, operation.uuid, operation.paused)


def resume(hypervisor: Hypervisor, operation: ResumeDomain) -> None:
    """Let it go on after a pause; one that was not paused does already."""
    power.resume(hypervisor, operation.uuid)


def suspend(hypervisor: Hypervisor, operation: SuspendDomain) -> None:
    """Pause it; one that is paused already stays so."""
    power.pause(hypervisor, operation.uuid)


def save(hypervisor: Hypervisor, operation: SaveDomain) -> None:
    """Write its memory to disk; one that is saved already stays so."""
    saved_memory.save(hypervisor, operation.uuid)


def restore(hypervisor: Hypervisor, operation: RestoreDomain) -> None:
    """Let it go on where it was saved; one that is on already stays as it is."""
    saved_memory.restore(hypervisor, operation.uuid)


def reset(hypervisor: Hypervisor, operation: ResetDomain) -> None:
    """Press its reset button."""
    power.reset(hypervisor, operation.uuid)


def stop(hypervisor: Hypervisor, operation: StopDomain, fence: Callable[[], None] = lambda: None) -> None:
    """Have the guest power off."""
    power.stop(hypervisor, operation.uuid, operation.timeout, operation.force, fence)


def restart(hypervisor: Hypervisor, operation: RestartDomain, fence: Callable[[], None] = lambda: None) -> None:
    """Have the guest reboot."""
    work = power.restarting(hypervisor, operation.uuid, operation.timeout, cut_power=operation.force, fence=fence)
    power.waited_for(work)


def power_off(hypervisor: Hypervisor, operation: PowerOff) -> None:
    """Pull its plug; one that is off, or gone, already is no error."""
    if hypervisor.find_domain(operation.uuid) is not None:
        power.force_stop(hypervisor, operation.uuid)


def undefine(hypervisor: Hypervisor, operation: UndefineDomain) -> None:
    """Remove its definition and what libvirt keeps with it; one that is gone already is no error."""
    domain = hypervisor.find_domain(operation.uuid)
    if domain is not None and domain.is_persistent():
        domain.undefine()
    # somebody may have started it since its plug was pulled: it would run on without a definition, and keep its disks
    left = hypervisor.find_domain(operation.uuid)
    if left is not None and not left.is_persistent():
        power.force_stop(hypervisor, operation.uuid)
