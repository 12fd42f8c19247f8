# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking a VM away."""

from __future__ import annotations

from typing import Callable, Iterable, Iterator, List, Set

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.observe import observe
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.perform import StepReport, perform
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.delete import plan_delete
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.machine_steps import UndefineDomain
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan, Step
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volume_steps import DeleteVolume
from ansible_collections.hostler.libvirt.plugins.module_utils.storage import owned_disks


def plan_for(hypervisor: Hypervisor, uuid: str, delete_disks: bool = True) -> Plan:
    """Look at the VM and plan its end; an empty plan if it has gone already. Raises `Protected`."""
    domain = hypervisor.find_domain(uuid)
    if domain is None:
        return Plan()
    observed = observe(hypervisor, domain, sizes=False)  # of a VM that hangs, too, one wants to be rid
    return plan_delete(observed, owned_disks(hypervisor, observed) if delete_disks else ())


def delete(
    hypervisor: Hypervisor,
    uuid: str,
    delete_disks: bool = True,
    on_step: Callable[[StepReport], None] = lambda _report: None,
    fence: Callable[[], None] = lambda: None,
) -> List[str]:
    """Power the VM off, undefine it, delete its own disks; the paths of those."""
    plan = plan_for(hypervisor, uuid, delete_disks)
    carry_out(hypervisor, plan, on_step, fence)
    return deleted_disks(plan)


def carry_out(
    hypervisor: Hypervisor,
    plan: Plan,
    on_step: Callable[[StepReport], None] = lambda _report: None,
    fence: Callable[[], None] = lambda: None,
) -> None:
    """Do a plan of `plan_for`. Where it fails when the VM is gone already, the error says which disks are left."""
    done: Set[str] = set()

    def note(report: StepReport) -> None:
        if report.state == "succeeded":
            done.add(report.title)
        on_step(report)

    try:
        perform(hypervisor, plan, note, fence)
    except HostlerError as error:
        gone = any(isinstance(step.operation, UndefineDomain) and step.title in done for step in plan.steps)
        left = [operation.path for operation in _deletions(step for step in plan.steps if step.title not in done)]
        if gone and left:
            words = f"the VM is gone, but not these of its disks: {', '.join(left)}"
            raise type(error)(f"{error.message}; {words}", error.field) from error
        raise


def deleted_disks(plan: Plan) -> List[str]:
    """The paths of the disks that the plan deletes."""
    return [operation.path for operation in _deletions(plan.steps)]


def _deletions(steps: Iterable[Step]) -> Iterator[DeleteVolume]:
    return (step.operation for step in steps if isinstance(step.operation, DeleteVolume))
