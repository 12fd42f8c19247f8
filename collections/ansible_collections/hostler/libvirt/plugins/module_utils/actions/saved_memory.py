# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM's memory, put aside on disk, and taken up again at the next start."""

from __future__ import annotations

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import power
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import OperationFailed, WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power import NOT_RUNNING, NOT_SAVED, TRANSIENT


def save(hypervisor: Hypervisor, uuid: str) -> bool:
    """Write the VM's memory to disk and end it; whether that changed anything.

    Blocks until all of it is written. Raises `WrongState` for one that is off and not saved, and for one that would be
    gone without its power.
    """
    domain = hypervisor.domain(uuid)
    if not domain.is_active():
        if domain.has_managed_save():
            return False
        raise WrongState(NOT_RUNNING)
    if not domain.is_persistent():
        raise WrongState(TRANSIENT)
    domain.save()
    if not domain.has_managed_save():
        raise OperationFailed("Failed to save VM: its memory is not on disk, though libvirt said so")
    return True


def restore(hypervisor: Hypervisor, uuid: str) -> bool:
    """Let the VM go on where it was saved, also if it was paused then; whether that changed anything.

    Raises `WrongState` for one that is off and not saved.
    """
    domain = hypervisor.domain(uuid)
    if domain.is_active():
        return False
    if not domain.has_managed_save():
        raise WrongState(NOT_SAVED)
    started = power.start(hypervisor, uuid)
    return power.resume(hypervisor, uuid) or started
