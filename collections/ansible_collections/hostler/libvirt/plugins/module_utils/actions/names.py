# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM's name on its host."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    NameTaken,
    OperationFailed,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor


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
