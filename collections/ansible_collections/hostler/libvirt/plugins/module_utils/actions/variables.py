# SPDX-License-Identifier: GPL-3.0-or-later
"""The UEFI variables that a host keeps for its VMs, by their names."""

from __future__ import annotations

import posixpath

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    NameTaken,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.storage import definitions_of


def require_free_variables(hypervisor: Hypervisor, name: str) -> None:
    """Raise `NameTaken` if a new VM of that name would start with the UEFI variables of one that had it before."""
    for domain in hypervisor.domains():
        paths = [definition.nvram for definition in definitions_of(hypervisor, domain) if definition.nvram]
        if domain.name != name and any(posixpath.basename(path) == f"{name}_VARS.fd" for path in paths):
            raise NameTaken(
                f"VM '{domain.name}' was named '{name}' before and keeps its UEFI variables under that name", "name"
            )
