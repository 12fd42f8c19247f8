# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan that brings the further network cards of a VM that is there to what a list says."""

from __future__ import annotations

from typing import Dict, List, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.card import NetworkConfig
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.nic import Nic
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec, fields_within
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.chassis import Chassis, equipped
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.device_steps import DefineNic, PlugNic
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.further import (
    Further,
    Stock,
    as_entry,
    gathered,
    paired_nics,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.nic import FoundNic, find_nic, plan_nic
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan, Step
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_nic import WantedNic


def plan_nics(further: Further, stock: Stock, chassis: Chassis, live: bool, nat_network: Optional[str]) -> Plan:
    """The steps that do it, as `plan_disks` does; ``nat_network`` is the host's (None: QEMU's own NAT serves)."""
    steps: List[Step] = []
    changes: Dict[str, Plan] = {}
    meant, beyond = paired_nics(further, stock.chassis)
    for index, (config, nic) in enumerate(zip(further.nics or (), meant)):
        with fields_within(f"nics.{index}"):
            wanted = _wanted(config, nic, live)
            found = FoundNic(None, None) if nic is None else find_nic(wanted, chassis)
            plan = plan_nic(wanted, chassis, found, nat_network)
        steps += as_entry(plan, "nics", index)
        changes[_address_in(plan) or wanted.mac_address or ""] = plan
        chassis = equipped(chassis, plan.steps)
    if further.nics_exclusive:
        for card in [*beyond, *_running_only(chassis)]:
            gone = WantedNic(state="absent", mac_address=card.mac_address, live=live, timeout=further.timeout)
            plan = plan_nic(gone, chassis, find_nic(gone, chassis), nat_network)
            steps += as_entry(plan, "nics")
            changes[card.mac_address or ""] = plan
    return gathered("nics", steps, changes)


def _wanted(config: NetworkConfig, nic: Optional[Nic], live: bool) -> WantedNic:
    address = None if config.mac_address is None else config.mac_address.lower()
    if nic is not None and address not in (None, nic.mac_address):
        reason = f"is not that of the VM's card there, which is {nic.mac_address}: detach it, or name its own"
        raise InvalidSpec([FieldError("mac_address", reason)])
    # the usual model is what an entry has that says nothing of it
    model = None if nic is not None and config.model == NetworkConfig().model else config.model
    return WantedNic(
        mac_address=address if nic is None else nic.mac_address,
        type=config.type,
        bridge_name=config.bridge_name,
        network_name=config.network_name,
        model=model,
        live=live,
    )


def _address_in(plan: Plan) -> Optional[str]:
    """That of the card that the plan makes."""
    made = (step.operation.nic for step in plan.steps if isinstance(step.operation, (DefineNic, PlugNic)))
    return next((nic.mac_address for nic in made), None)


def _running_only(chassis: Chassis) -> List[Nic]:
    known = {nic.mac_address for nic in chassis.defined_nics}
    if chassis.defined_xml is None:
        return []
    return [nic for nic in chassis.running_nics if nic.mac_address not in known]
