# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking a VM away."""

from __future__ import annotations

from typing import Callable, List

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.observe import observe
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.perform import StepReport, perform
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.delete import plan_delete
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import DeleteVolume, Plan
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
    perform(hypervisor, plan, on_step, fence)
    return deleted_disks(plan)


def deleted_disks(plan: Plan) -> List[str]:
    """The paths of the disks that the plan deletes."""
    return [step.operation.path for step in plan.steps if isinstance(step.operation, DeleteVolume)]
