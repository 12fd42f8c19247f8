# SPDX-License-Identifier: GPL-3.0-or-later
"""Giving a VM another name."""

from __future__ import annotations

from functools import partial
from typing import Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.doers import Undo
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.names import require_free_name
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.edit import with_nvram
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import read_domain
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    HostUnreachable,
    Unsupported,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.change import MUST_BE_STOPPED_TO_RENAME
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.machine_steps import RenameDomain


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
