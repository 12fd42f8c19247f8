# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM's name on its host."""

from __future__ import annotations

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    NameTaken,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor


def require_free_name(hypervisor: Hypervisor, name: str, uuid: str) -> None:
    """Raise `NameTaken` if another domain than that with ``uuid`` has the name."""
    namesake = hypervisor.find_domain_named(name)
    if namesake is not None and namesake.uuid != uuid:
        raise NameTaken(f"A VM named '{name}' already exists on this host", "name")
