# SPDX-License-Identifier: GPL-3.0-or-later
"""Libvirt or Ansible? The one table that says who carries out which action.

An action is named as its playbook, its job and, with dashes, its REST verb. By default those are playbooks to which
sites add steps of their own (DNS, IPAM, monitoring); the rest goes straight to libvirt. The setting ``executor`` says
who runs the playbooks, and ``dispatch`` switches single actions of those that can be done either way.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum

from hostler.jobs.models import Executor
from hostler.settings import Settings


class Action(StrEnum):
    """What can be done to a VM."""

    CREATE = "vm_create"
    RESIZE = "vm_resize"
    START = "vm_start"
    STOP = "vm_stop"
    FORCE_STOP = "vm_force_stop"
    RESTART = "vm_restart"
    RESET = "vm_reset"
    UPDATE = "vm_update"
    """A change of an existing VM; of its sizes as `RESIZE` says."""
    DELETE = "vm_delete"
    SNAPSHOT = "vm_snapshot"


DEFAULTS: Mapping[Action, Executor] = {
    Action.CREATE: Executor.PLAYBOOK,
    Action.RESIZE: Executor.PLAYBOOK,
    Action.START: Executor.DIRECT,
    Action.STOP: Executor.DIRECT,
    Action.FORCE_STOP: Executor.DIRECT,
    Action.RESTART: Executor.DIRECT,
    Action.RESET: Executor.DIRECT,
    Action.UPDATE: Executor.DIRECT,
    Action.DELETE: Executor.DIRECT,
    Action.SNAPSHOT: Executor.DIRECT,
}


WAITS_FOR_GUEST = (Action.STOP.value, Action.RESTART.value)
"""What asks a guest, and waits."""

SUPERSEDES: Mapping[str, Collection[str]] = {Action.FORCE_STOP.value: WAITS_FOR_GUEST}
"""Actions whose running job an action takes the place of."""


def executor_of(action: Action, settings: Settings) -> Executor:
    """Who carries ``action`` out here."""
    switched = {Action(name): Executor(executor) for name, executor in settings.dispatch.items()}
    by_default = DEFAULTS[action]
    if by_default is Executor.PLAYBOOK:
        by_default = Executor(settings.executor)
    return switched.get(action, by_default)


def runs_playbooks(settings: Settings) -> bool:
    """Whether any action is carried out by a playbook beside the service."""
    return any(executor_of(action, settings) is Executor.PLAYBOOK for action in Action)
