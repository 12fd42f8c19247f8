# SPDX-License-Identifier: GPL-3.0-or-later
"""A network as it is wanted: looked at, planned, and, unless it is only asked for, done."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, Mapping, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.network_doers import DOERS
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.network_users import (
    Cards,
    bridge_of_its_own,
    running_users,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.perform import perform
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.network_admin import (
    ManagedNetwork,
    managed_network,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.network_xml.given import GivenNetwork, given_network
from ansible_collections.hostler.libvirt.plugins.module_utils.network_xml.read import identity_of, read_network
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.network import plan_network
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.network_wish import (
    NetworkWish,
    ObservedNetwork,
    network_wish_from,
)


def ensure_network(hypervisor: Hypervisor, values: Mapping[str, Any], check: bool = False) -> Dict[str, Any]:
    """Bring the network to what ``values`` (of a `NetworkWish`) say; with ``check`` only say what that would change.

    Answers plain data: ``changed``, ``diff`` (``before``, ``after``), ``plan`` (steps), ``next_start`` (options
    that wait for the network's next start) and ``network`` (as it is now; None where there is none). Raises what the
    plan and its steps raise.
    """
    wish = network_wish_from(values)
    given = _given(wish)
    observed = _observe(hypervisor, wish)
    planned = plan_network(observed, wish, given)
    plan = planned.plan
    if not check and plan.changed:
        perform(hypervisor, plan, doers=DOERS)
        observed = _observe(hypervisor, wish)
    data = plan.as_data()
    return {
        "changed": plan.changed,
        "diff": {"before": data["before"], "after": data["after"]},
        "plan": data["steps"],
        "next_start": list(planned.next_start),
        "network": None if observed is None else network_data(observed),
    }


def network_data(observed: ObservedNetwork) -> Dict[str, Any]:
    """Plain data of a network: what it is called and does, then every option as it is defined."""
    return {
        **identity_of(observed.xml),
        "state": "active" if observed.is_active else "inactive",
        "autostart": observed.autostart,
        "persistent": observed.persistent,
        **read_network(observed.xml),
    }


def observed_network(
    network: ManagedNetwork, active: Optional[bool] = None, persistent: Optional[bool] = None
) -> ObservedNetwork:
    """What it is; ``active`` and ``persistent`` where they are known already."""
    active = network.is_active() if active is None else active
    persistent = network.is_persistent() if persistent is None else persistent
    return ObservedNetwork(
        name=network.name,
        uuid=network.uuid,
        persistent=persistent,
        autostart=persistent and network.autostart(),
        xml=network.xml(inactive=persistent),
        running=network.xml() if active else None,
    )


def _given(wish: NetworkWish) -> Optional[GivenNetwork]:
    if wish.xml is None:
        return None
    given = given_network(wish.xml)
    if given.name != wish.name:
        raise InvalidSpec([FieldError("xml", f"has another <name> than '{wish.name}': '{given.name}'")])
    return given


def _observe(hypervisor: Hypervisor, wish: NetworkWish) -> Optional[ObservedNetwork]:
    network = managed_network(hypervisor, wish.name)
    if network is None:
        return None
    observed = observed_network(network)
    needs_users = wish.state in ("inactive", "absent") or wish.restart
    if not (observed.is_active and needs_users):
        return observed
    bridge = bridge_of_its_own(read_network(observed.running or ""))
    plugs = Cards(hypervisor, whole=False).on(observed.name, bridge)
    users = running_users(plugs, network.ports())
    return dataclasses.replace(observed, users=tuple(users))
