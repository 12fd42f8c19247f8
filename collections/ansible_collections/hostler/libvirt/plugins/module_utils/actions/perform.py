# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying out a plan, step by step.

Each operation observes, acts and verifies, so that doing it again after a crash is safe: what is there already is kept
or made anew, what is gone already is no error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, Optional, Type

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import disks, domains
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan import step as steps
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Operation, Plan, Step

_DOERS: Dict[Type[Any], Callable[[Hypervisor, Any], None]] = {
    steps.DefineDomain: domains.define,
    steps.WriteRecord: domains.write_record,
    steps.SetAutostart: domains.set_autostart,
    steps.ResizeDomain: domains.resize,
    steps.StartDomain: domains.start,
    steps.StopDomain: domains.stop,
    steps.PowerOff: domains.power_off,
    steps.UndefineDomain: domains.undefine,
    steps.CreateVolume: disks.create_volume,
    steps.WriteSeed: disks.write_seed,
    steps.GrowDisk: disks.grow,
    steps.DeleteVolume: disks.delete_volume,
}


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
) -> None:
    """Do the steps in order; stop at the first that fails, and raise its error.

    ``fence`` is called before every step and raises `Superseded` when another operation has taken the VM over.
    """
    total = len(plan.steps)
    for position, one in enumerate(plan.steps, 1):
        fence()
        on_step(StepReport(position, total, one.title, "running"))
        try:
            _do(hypervisor, one)
        except HostlerError as error:
            on_step(StepReport(position, total, one.title, "failed", error.message))
            raise
        on_step(StepReport(position, total, one.title, "succeeded"))


def _do(hypervisor: Hypervisor, one: Step) -> None:
    operation: Operation = one.operation
    _DOERS[type(operation)](hypervisor, operation)
