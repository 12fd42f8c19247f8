# SPDX-License-Identifier: GPL-3.0-or-later
"""One network card of a VM as it is wanted: looked at, planned, and, unless it is only asked for, done."""

from __future__ import annotations

from typing import Any, Dict, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.chassis import look
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.networks import nat_network_of, require_networks
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.nics import DOERS
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.one_machine import require_one
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.perform import perform
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.revision import count_change
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.nic import (
    FoundNic,
    find_nic,
    nic_as_data,
    plan_nic,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import Placement
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_nic import WantedNic, validate_nic
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import OneMachine


def ensure_nic(hypervisor: Hypervisor, which: OneMachine, wanted: WantedNic, check: bool = False) -> Dict[str, Any]:
    """Bring that VM's card to what is wanted; with ``check`` only say what that would change.

    Answers plain data: ``changed``, ``diff``, ``plan`` (steps), ``next_boot`` (options that a running VM gets then) and
    ``nic`` (as it is now, None where there is none). Raises what the plan and its steps raise.
    """
    wanted = validate_nic(wanted)
    domain = require_one(hypervisor, which)
    chassis = look(hypervisor, domain)
    found = find_nic(wanted, chassis)
    placement = Placement(network=wanted.network)
    plan = plan_nic(wanted, chassis, found, nat_network_of(hypervisor, placement))
    _require_there(hypervisor, wanted, found, plan, placement)
    if not check:
        perform(hypervisor, plan, doers=DOERS)
        count_change(hypervisor, domain.uuid, chassis.record, plan)
        found = find_nic(wanted, look(hypervisor, domain))
    return {**plan.as_answer(), "nic": _nic(found)}


def _require_there(
    hypervisor: Hypervisor, wanted: WantedNic, found: FoundNic, plan: Plan, placement: Placement
) -> None:
    """Raise `InvalidSpec` for a network, bridge or filter that the card is to have, and the host has not."""
    if wanted.state == "absent" or not plan.changed:
        return
    if wanted.type is not None or found.nic is None:
        require_networks(hypervisor, [("", wanted.config)], placement)
    if wanted.filter and not hypervisor.has_filter(wanted.filter):
        raise InvalidSpec([FieldError("filter", f"network filter '{wanted.filter}' not found on this host")])


def _nic(found: FoundNic) -> Optional[Dict[str, Any]]:
    nic = found.running or found.defined
    if nic is None:
        return None
    return {**nic_as_data(nic), "defined": found.defined is not None, "running": found.running is not None}
