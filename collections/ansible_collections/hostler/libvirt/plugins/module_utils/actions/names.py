# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM's name on its host, and what libvirt keeps under it."""

from __future__ import annotations

import posixpath
from contextlib import contextmanager
from functools import partial
from typing import Iterator, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.doers import Undo
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.edit import with_nvram
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import read_domain
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    HostUnreachable,
    NameTaken,
    OperationFailed,
    Unsupported,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.change import MUST_BE_STOPPED_TO_RENAME
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.machine_steps import RenameDomain
from ansible_collections.hostler.libvirt.plugins.module_utils.storage import definitions_of


def rename(hypervisor: Hypervisor, operation: RenameDomain) -> Optional[Undo]:
    """Give the VM another name; snapshots, TPM state and UEFI variables stay with it."""
    domain = hypervisor.domain(operation.uuid)
    before = domain.name
    if before == operation.name:
        return None
    if domain.is_active():
        raise WrongState(MUST_BE_STOPPED_TO_RENAME)
    require_free_name(hypervisor, operation.name, operation.uuid)
    xml = domain.xml(inactive=True, secure=True)
    _pin_variables(hypervisor, domain, xml)
    try:
        domain.rename(operation.name)
    except HostUnreachable:
        raise
    except HostlerError:
        hypervisor.redefine(xml)
        raise
    return partial(_name_again, hypervisor, domain, before, xml)


def require_free_name(hypervisor: Hypervisor, name: str, uuid: str) -> None:
    """Raise `NameTaken` if another domain than that with ``uuid`` has the name."""
    namesake = hypervisor.find_domain_named(name)
    if namesake is not None and namesake.uuid != uuid:
        raise NameTaken(f"A VM named '{name}' already exists on this host", "name")


@contextmanager
def told_if_taken(hypervisor: Hypervisor, name: str, uuid: str) -> Iterator[None]:
    """Raise `NameTaken` where somebody else was quicker: libvirt has no code of its own for that."""
    try:
        yield
    except OperationFailed:
        require_free_name(hypervisor, name, uuid)
        raise


def require_free_variables(hypervisor: Hypervisor, name: str) -> None:
    """Raise `NameTaken` if a new VM of that name would start with the UEFI variables of one that had it before."""
    for domain in hypervisor.domains():
        paths = [definition.nvram for definition in definitions_of(hypervisor, domain) if definition.nvram]
        if domain.name != name and any(posixpath.basename(path) == f"{name}_VARS.fd" for path in paths):
            raise NameTaken(
                f"VM '{domain.name}' was named '{name}' before and keeps its UEFI variables under that name", "name"
            )


def _pin_variables(hypervisor: Hypervisor, domain: Domain, xml: str) -> None:
    """Write into the definition where the VM's UEFI variables are.

    libvirt finds them by the VM's name: after a rename it would begin with new ones, in which no boot entry is.
    """
    definition = read_domain(xml)
    if definition.firmware != "uefi" or definition.nvram is not None or hypervisor.is_test_driver:
        return
    path = hypervisor.nvram_path(xml)
    if path is None:
        raise Unsupported("Failed to rename VM: it would lose its UEFI variables with its name", "name")
    hypervisor.redefine(with_nvram(domain.xml(inactive=True, secure=True), path))


def _name_again(hypervisor: Hypervisor, domain: Domain, name: str, xml: str) -> None:
    domain.rename(name)
    hypervisor.redefine(xml)
