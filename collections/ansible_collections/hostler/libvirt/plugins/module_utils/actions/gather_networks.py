# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of one, some or all networks of a host."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_network import (
    network_data,
    observed_network,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.network_users import (
    Cards,
    Plug,
    bridge_of_its_own,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    GuestTimeout,
    HostlerError,
    HostTimeout,
    HostUnreachable,
    InvalidSpec,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import facts, field_errors
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.network_admin import (
    NetworkRow,
    Port,
    network_rows,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.side_connection import SideConnection
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import Selection, choose, validate_selection

PARTS = ("spec", "leases", "users")


@dataclass(frozen=True)
class NetworkInquiry:
    """Which networks are asked about, and what; their state is told in any case."""

    selection: Selection = field(default_factory=Selection)
    gather: Tuple[str, ...] = PARTS
    timeout: float = field(default=30, metadata=facts("How long all of it may take.", unit="s", minimum=1))


def gather_networks(hypervisor: Hypervisor, inquiry: NetworkInquiry) -> List[Dict[str, Any]]:
    """Plain data of each network that is asked about, in the order of `choose`; one not there has ``exists`` False.

    It is asked on a connection of its own: libvirt tells of no network while one of them starts, and whatever that
    start waits for would be waited for here. Raises `InvalidSpec`, and `HostUnreachable` where it takes too long.
    """
    errors = list(field_errors(inquiry))
    if errors:
        raise InvalidSpec(errors)
    selection = validate_selection(inquiry.selection)
    with SideConnection(hypervisor) as side:
        try:
            return side.call(inquiry.timeout, lambda other: _gathered(other, selection, inquiry.gather))
        except GuestTimeout:
            raise HostTimeout(f"The host did not tell of its networks within {inquiry.timeout:g} s") from None


def _gathered(hypervisor: Hypervisor, selection: Selection, parts: Sequence[str]) -> List[Dict[str, Any]]:
    """What is asked; of a network that goes away meanwhile, that it is not there."""
    rows = {row.network.uuid: row for row in network_rows(hypervisor)}
    chosen = choose(selection, {uuid: row.network.name for uuid, row in rows.items()})
    cards = None
    if "users" in parts and any(one.uuid in rows for one in chosen):
        cards = Cards(hypervisor, whole=True)
    found: List[Dict[str, Any]] = []
    for one in chosen:
        row = rows.get(one.uuid or "")
        data = None if row is None else _entry(row, parts, cards)
        known = {key: value for key, value in one._asdict().items() if value is not None}
        found.append({"exists": False, **known} if data is None else {"exists": True, **data})
    return found


def _entry(row: NetworkRow, parts: Sequence[str], cards: Optional[Cards]) -> Optional[Dict[str, Any]]:
    network = row.network
    data: Dict[str, Any] = {
        "name": network.name,
        "uuid": network.uuid,
        "state": "active" if row.active else "inactive",
        "autostart": row.autostart,
        "persistent": row.persistent,
    }
    try:
        if "spec" in parts or cards is not None:
            observed = observed_network(network, row.active, row.persistent)
            known = network_data(observed)
            if "spec" in parts:
                data.update(known)
            if cards is not None:
                plugs = cards.on(network.name, bridge_of_its_own(known))
                data["users"] = _users(plugs, network.ports() if row.active else [])
        if "leases" in parts:
            data["leases"] = network.lease_details() if row.active else []
    except HostUnreachable:
        raise
    except HostlerError:
        if _is_there(row):
            raise
        return None
    return data


def _is_there(row: NetworkRow) -> bool:
    try:
        row.network.xml()
    except HostUnreachable:
        raise
    except HostlerError:
        return False
    return True


def _users(plugs: Sequence[Plug], ports: Sequence[Port]) -> List[Dict[str, Any]]:
    """The cards by either account, those of VMs' definitions first; ``connected`` says that the network knows of it."""
    by_card: Dict[Tuple[Optional[str], Optional[str]], Port] = {
        (one.domain_uuid, one.mac_address): one for one in ports
    }
    users: List[Dict[str, Any]] = []
    for plug in plugs:
        port = by_card.pop((plug.uuid, plug.mac_address), None)
        users.append({**plug._asdict(), "connected": port is not None, "portgroup": port.portgroup if port else None})
    for port in by_card.values():
        users.append(
            {
                "vm": port.domain,
                "uuid": port.domain_uuid,
                "mac_address": port.mac_address,
                "running": True,
                "connected": True,
                "portgroup": port.portgroup,
            }
        )
    return users
