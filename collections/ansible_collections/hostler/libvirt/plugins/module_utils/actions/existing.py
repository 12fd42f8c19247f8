# SPDX-License-Identifier: GPL-3.0-or-later
"""One VM that is there, as it is desired: looked at with its host, and planned."""

from __future__ import annotations

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.change import (
    require_connectable,
    require_possible,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.networks import nat_network_of
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.desired import Desired
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.existing import plan_existing, wanted_change
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan


def plan_for(hypervisor: Hypervisor, desired: Desired, observed: ObservedMachine, now: str) -> Plan:
    """The steps that bring it to what is desired. Raises what `plan_existing` does, and what its host can't give."""
    nat_network = nat_network_of(hypervisor, desired.placement)
    if desired.is_plugged:
        # here, as few need it: each task of a module compiles anew what it imports
        from ansible_collections.hostler.libvirt.plugins.module_utils.actions import plugged

        plan = plugged.plan_for(hypervisor, desired, observed, nat_network, now)
    else:
        plan = plan_existing(desired, observed, nat_network, now)
    require_possible(hypervisor, plan)
    require_connectable(hypervisor, plan, wanted_change(desired).network_config, desired.placement)
    return plan
