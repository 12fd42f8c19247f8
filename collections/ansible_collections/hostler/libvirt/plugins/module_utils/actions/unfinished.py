# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM whose making has not ended."""

from __future__ import annotations

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.delete import delete
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.domains import is_unfinished
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError, OperationFailed
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor


def take_away(hypervisor: Hypervisor, uuid: str, cause: Exception) -> None:
    """Delete what was made of the VM before ``cause`` ended it; raises `OperationFailed` that says so if that fails."""
    try:
        domain = hypervisor.find_domain(uuid)
        if domain is not None and is_unfinished(domain):  # else it is somebody else's, and the reason why this failed
            delete(hypervisor, uuid)
    except HostlerError as error:
        raise OperationFailed(f"{cause}; and what was made so far could not be taken away: {error.message}") from cause
