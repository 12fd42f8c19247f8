# SPDX-License-Identifier: GPL-3.0-or-later
"""The one VM of a host that is meant."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.observe import observe
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec, MachineNotFound
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.side_connection import SideConnection
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import OneMachine, validate_one

# what is asked comes at once, or from a QEMU that hangs never
_ANSWER_SECONDS = 20


def find_one(hypervisor: Hypervisor, which: OneMachine) -> Optional[Domain]:
    """Its domain, None where there is none.

    Raises `InvalidSpec` for what can be of no VM, and where the VM with the UUID has another name.
    """
    which = validate_one(which)
    uuid = which.uuid
    domain = hypervisor.find_domain_named(which.name or "") if uuid is None else hypervisor.find_domain(uuid)
    if domain is not None and which.name is not None and domain.name != which.name:
        raise InvalidSpec([FieldError("name", f"the VM with that UUID is named '{domain.name}'")])
    return domain


def require_one(hypervisor: Hypervisor, which: OneMachine) -> Domain:
    """As `find_one`, but `MachineNotFound` where there is none."""
    domain = find_one(hypervisor, which)
    if domain is None:
        raise not_found(which)
    return domain


def not_found(which: OneMachine) -> MachineNotFound:
    """What to raise where there is none."""
    return MachineNotFound(f"VM {which.label} not found on this host", "name" if which.uuid is None else "uuid")


def observe_patiently(hypervisor: Hypervisor, uuid: str, side: Optional[SideConnection] = None) -> ObservedMachine:
    """As `observe`, but raises `GuestTimeout` if the VM's QEMU does not answer.

    ``side`` is a side connection to the same host that is there already.
    """
    domain = hypervisor.domain(uuid)
    if not domain.is_active():
        return observe(hypervisor, domain)  # nobody is there who could hang, and another connection may take a while
    with SideConnection(hypervisor) if side is None else nullcontext(side) as open_side:
        return open_side.call(_ANSWER_SECONDS, lambda other: observe(other, other.domain(uuid)))
