# SPDX-License-Identifier: GPL-3.0-or-later
"""The one VM of a host that is meant."""

from __future__ import annotations

import uuid as uuids
from dataclasses import dataclass
from typing import List, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.observe import observe
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec, MachineNotFound
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import value_errors
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.side_connection import SideConnection
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import NAME_FACTS

# what is asked comes at once, or from a QEMU that hangs never
_ANSWER_SECONDS = 20


@dataclass(frozen=True)
class OneMachine:
    """A VM by its name, its UUID, or both."""

    name: Optional[str] = None
    uuid: Optional[str] = None

    @property
    def label(self) -> str:
        """How to speak of it."""
        return f"'{self.name}'" if self.name is not None else f"with UUID {self.uuid}"


def find_one(hypervisor: Hypervisor, which: OneMachine) -> Optional[Domain]:
    """Its domain, None where there is none.

    Raises `InvalidSpec` for what can be of no VM, and where the VM with the UUID has another name.
    """
    errors: List[FieldError] = []
    if which.name is None and which.uuid is None:
        errors.append(FieldError("name", "is required, or uuid"))
    if which.name is not None:
        errors += value_errors("name", which.name, NAME_FACTS)
    uuid = None
    if which.uuid is not None:
        try:
            uuid = str(uuids.UUID(which.uuid))
        except ValueError:
            errors.append(FieldError("uuid", "is not a UUID"))
    if errors:
        raise InvalidSpec(errors)
    domain = hypervisor.find_domain_named(which.name or "") if uuid is None else hypervisor.find_domain(uuid)
    if domain is not None and which.name is not None and domain.name != which.name:
        raise InvalidSpec([FieldError("name", f"the VM with that UUID is named '{domain.name}'")])
    return domain


def not_found(which: OneMachine) -> MachineNotFound:
    """What to raise where there is none."""
    return MachineNotFound(f"VM {which.label} not found on this host", "name" if which.uuid is None else "uuid")


def observe_patiently(hypervisor: Hypervisor, uuid: str) -> ObservedMachine:
    """As `observe`, but raises `GuestTimeout` if the VM's QEMU does not answer."""
    domain = hypervisor.domain(uuid)
    if not domain.is_active():
        return observe(hypervisor, domain)  # nobody is there who could hang, and another connection may take a while
    with SideConnection(hypervisor) as side:
        return side.call(_ANSWER_SECONDS, lambda other: observe(other, other.domain(uuid)))
