# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of each verb's answer, as api-decisions has them in its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hostler.dispatch import Action
from hostler.machines.models import Machine
from hostler.machines.schemas import OperationDetails, OperationDone


@dataclass(frozen=True)
class Verb:
    """The words of one verb's answer; one that always does something has none for nothing to do."""

    operation: str
    message: str
    status: str
    nothing_to_do: str = ""


VERBS: Mapping[Action, Verb] = {
    Action.START: Verb("start", "VM started successfully", "started", "VM is already running"),
    Action.STOP: Verb("stop", "VM stopped successfully", "stopped", "VM is already stopped"),
    Action.FORCE_STOP: Verb("force-stop", "VM force stopped successfully", "stopped", "VM is already stopped"),
    Action.RESTART: Verb("restart", "VM restarted successfully", "restarted"),
    Action.RESET: Verb("reset", "VM reset successfully", "reset"),
    Action.RESIZE: Verb("resize", "VM resized successfully", "resized", "VM already has these resources"),
}


def done(row: Machine, action: Action, changed: bool, next_boot: Sequence[str] | None = None) -> OperationDone:
    """The answer of a verb."""
    verb = VERBS[action]
    return OperationDone(
        id=row.id,
        name=row.name,
        operation=verb.operation,
        message=verb.message if changed else verb.nothing_to_do,
        details=OperationDetails(
            name=row.name,
            status=verb.status,
            changed=changed,
            next_boot=None if next_boot is None else list(next_boot),
        ),
    )
