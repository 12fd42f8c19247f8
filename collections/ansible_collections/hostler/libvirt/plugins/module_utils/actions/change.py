# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing a VM that is there: what the host has to say to it before anything is done."""

from __future__ import annotations

from typing import Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.names import require_free_name
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.networks import nat_network_of, require_networks
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.observe import observe
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.volumes import require_growable
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import read_domain
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import time_of_record
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.change import Change, plan_change
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.machine_steps import (
    ConnectCard,
    RenameDomain,
    WriteRecord,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import Placement
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volume_steps import GrowDisk
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import NetworkConfig
from ansible_collections.hostler.libvirt.plugins.module_utils.storage import (
    look_for_overlays,
    path_of,
    paths_in_use,
)


def plan_for(hypervisor: Hypervisor, uuid: str, change: Change, placement: Placement) -> Plan:
    """Look at the VM and its host and plan the change; carry it out with `perform`.

    Raises what `plan_change` does, `MachineNotFound`, `NameTaken`, `VolumeNotFound` or `NotEnoughSpace` for a disk that
    can't grow, and `InvalidSpec` for a network that is not there.
    """
    observed = observe(hypervisor, hypervisor.domain(uuid))
    plan = plan_change(observed, change, nat_network_of(hypervisor, placement), time_of_record())
    require_possible(hypervisor, plan)
    require_connectable(hypervisor, plan, change.network_config, placement)
    return plan


def require_possible(hypervisor: Hypervisor, plan: Plan) -> None:
    """Raise what a step of ``plan`` would that needs something of its host: a free name, a disk that can grow."""
    for step in plan.steps:
        if isinstance(step.operation, RenameDomain):
            require_free_name(hypervisor, step.operation.name, step.operation.uuid)
        elif isinstance(step.operation, GrowDisk):
            require_growable(hypervisor, step.operation)
        elif (
            "template" in step.fields and isinstance(step.operation, WriteRecord) and not step.operation.record.template
        ):
            _require_unneeded(hypervisor, step.operation.uuid)


def _require_unneeded(hypervisor: Hypervisor, uuid: str) -> None:
    """Raise `WrongState` if others are built upon the disks of the VM, which is a template."""
    look_for_overlays(hypervisor)
    users = paths_in_use(hypervisor, except_uuid=uuid)
    definition = read_domain(hypervisor.domain(uuid).xml(inactive=True))
    for disk in definition.disks:
        path = None if disk.read_only or disk.shareable else path_of(hypervisor, disk)
        if path in users:
            words = f"VM '{definition.name}' has to stay a template: {users[path]} is built upon {path}"
            raise WrongState(words, "template")


def require_connectable(
    hypervisor: Hypervisor, plan: Plan, network_config: Optional[NetworkConfig], placement: Placement
) -> None:
    """Raise `InvalidSpec` if ``plan`` connects the first card to what its host has not."""
    if network_config is not None and any(isinstance(step.operation, ConnectCard) for step in plan.steps):
        require_networks(hypervisor, [("network_config", network_config)], placement)
