# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a host has what network cards are to be plugged into."""

from __future__ import annotations

from typing import Iterator, List, Optional, Sequence, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.card import within
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import Placement
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import NetworkConfig


def nat_network_of(hypervisor: Hypervisor, placement: Placement) -> Optional[str]:
    """The host's NAT network; None for an unprivileged libvirtd, which has none: QEMU's own NAT serves there."""
    return None if hypervisor.is_session else placement.network


def require_networks(hypervisor: Hypervisor, cards: Sequence[Tuple[str, NetworkConfig]], placement: Placement) -> None:
    """Raise `InvalidSpec` for every network and bridge of ``cards``, each with its path, that the host has not."""
    errors: List[FieldError] = []
    nat = nat_network_of(hypervisor, placement)
    for path, card in cards:
        if card.type == "bridge" and not hypervisor.has_interface(card.bridge_name or ""):
            errors.append(
                FieldError(within(path, "bridge_name"), f"bridge '{card.bridge_name}' not found on this host")
            )
        elif card.type == "network":
            errors += _network_errors(hypervisor, card.network_name or "", within(path, "network_name"))
        elif card.type == "nat" and nat is not None:
            errors += _network_errors(hypervisor, nat, within(path, "type"))
    if errors:
        raise InvalidSpec(errors)


def _network_errors(hypervisor: Hypervisor, name: str, field: str) -> Iterator[FieldError]:
    network = hypervisor.find_network(name)
    if network is None:
        yield FieldError(field, f"network '{name}' not found on this host")
    elif not network.is_active():
        yield FieldError(field, f"network '{name}' is not active on this host")
