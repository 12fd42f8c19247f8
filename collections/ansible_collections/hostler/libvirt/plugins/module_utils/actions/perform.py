# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying out a plan, step by step.

Each operation observes, acts and verifies, so that doing it again after a crash is safe: what is there already is kept
or made anew, what is gone already is no error. One that changes something that was there answers how to put it back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, List, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import domains
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.doers import Doers, Undo
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    HostUnreachable,
    OperationFailed,
    Superseded,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan import power_steps
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan, Step


@dataclass(frozen=True)
class StepReport:
    """How a step goes: ``state`` is running, succeeded or failed; ``position`` counts from 1 to ``total``."""

    position: int
    total: int
    title: str
    state: str
    error: Optional[str] = None


def perform(
    hypervisor: Hypervisor,
    plan: Plan,
    on_step: Callable[[StepReport], None] = lambda _report: None,
    fence: Callable[[], None] = lambda: None,
    doers: Optional[Doers] = None,
) -> None:
    """Do the steps in order; at the first that fails put back what those before it have changed, and raise its error.

    What can't be put back (a disk that has grown, a VM that was stopped) stays. ``fence`` is called before every step,
    and while a step waits, and raises `Superseded` when another operation has taken the VM over: then, as when the host
    is gone, nothing more is done. ``doers`` does each operation; none: `machine_doers.DOERS`.
    """
    total = len(plan.steps)
    table = _of_machines() if doers is None else doers
    undos: List[Undo] = []
    for position, one in enumerate(plan.steps, 1):
        fence()
        on_step(StepReport(position, total, one.title, "running"))
        try:
            undo = _do(hypervisor, one, fence, table)
        except HostlerError as error:
            on_step(StepReport(position, total, one.title, "failed", error.message))
            if not isinstance(error, (Superseded, HostUnreachable)):
                _put_back(undos, error)
            raise
        if undo is not None:
            undos.append(undo)
        on_step(StepReport(position, total, one.title, "succeeded"))


def _of_machines() -> Doers:
    # here, as whoever makes a VM needs few of them: each task of a module compiles anew what it imports
    from ansible_collections.hostler.libvirt.plugins.module_utils.actions.machine_doers import DOERS

    return DOERS


def _do(hypervisor: Hypervisor, one: Step, fence: Callable[[], None], doers: Doers) -> Optional[Undo]:
    operation = one.operation
    if isinstance(operation, power_steps.StopDomain):
        domains.stop(hypervisor, operation, fence)
        return None
    if isinstance(operation, power_steps.RestartDomain):
        domains.restart(hypervisor, operation, fence)
        return None
    return doers[type(operation)](hypervisor, operation)


def _put_back(undos: List[Undo], cause: HostlerError) -> None:
    kept = []
    for undo in reversed(undos):
        try:
            undo()
        except HostlerError as error:
            kept.append(error.message)
    if kept:
        raise OperationFailed(f"{cause.message}; and not all could be put back: {'; '.join(kept)}") from cause
