# SPDX-License-Identifier: GPL-3.0-or-later
"""Libvirt or Ansible? The one table that says who carries out which action.

An action is named as its playbook, its job and, with dashes, its REST verb. By default those are playbooks to which
sites add steps of their own (DNS, IPAM, monitoring); the rest goes straight to libvirt.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from hostler.jobs.models import Executor


class Action(StrEnum):
    """What can be done to a VM."""

    CREATE = "vm_create"
    RESIZE = "vm_resize"
    START = "vm_start"
    STOP = "vm_stop"
    FORCE_STOP = "vm_force_stop"
    DELETE = "vm_delete"


DISPATCH: Mapping[Action, Executor] = {
    Action.CREATE: Executor.PLAYBOOK,
    Action.RESIZE: Executor.PLAYBOOK,
    Action.START: Executor.DIRECT,
    Action.STOP: Executor.DIRECT,
    Action.FORCE_STOP: Executor.DIRECT,
    Action.DELETE: Executor.DIRECT,
}
