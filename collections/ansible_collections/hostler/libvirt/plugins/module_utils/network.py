# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a guest can be reached."""

from __future__ import annotations

import ipaddress
from typing import Dict, Iterable, Iterator, List, Mapping, Optional, Sequence

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import DomainDefinition
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Address, Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import GuestAddress


def guest_addresses(
    running: DomainDefinition,
    told: Iterable[Address],
    leases: Mapping[str, Sequence[Address]],
    neighbours: Iterable[Address],
) -> List[Address]:
    """All addresses at which the guest can be reached, the best first, each once with the best of its sources.

    ``told`` by the guest agent, ``leases`` by the card's address, ``neighbours`` by the host's ARP table; the order is
    that of `guest_address`.
    """
    cards = [card.mac_address for card in running.interfaces]
    leased = [lease for card in cards if card is not None for lease in leases.get(card, ())]
    usable = (one for one in [*_sorted(told, cards), *leased, *neighbours] if is_usable(one.address))
    first: Dict[str, Address] = {}
    for one in usable:
        first.setdefault(one.address, one)
    return list(first.values())


def guest_address(hypervisor: Hypervisor, domain: Domain, running: DomainDefinition) -> Optional[GuestAddress]:
    """The first address at which the guest can be reached, None as long as there is none.

    The guest agent knows best; then the newest valid lease of libvirt's DHCP; then the host's ARP table. Loopback and
    link-local ones are no use to anybody else; IPv4 comes before IPv6, the first card before the others.
    """
    return next(_usable(_candidates(hypervisor, domain, running)), None)


def _candidates(hypervisor: Hypervisor, domain: Domain, running: DomainDefinition) -> Iterator[GuestAddress]:
    cards = [card.mac_address for card in running.interfaces]
    if running.guest_agent_connected:  # asking an agent that is not there costs seconds
        for one in _sorted(domain.addresses("agent"), cards):
            yield GuestAddress(one.address, "agent")
    for card in running.interfaces:
        network = hypervisor.find_network(card.source) if card.type == "network" and card.source else None
        if network is not None and card.mac_address is not None:
            address = network.lease_of(card.mac_address)
            if address:
                yield GuestAddress(address, "lease")
    for one in domain.addresses("arp"):
        yield GuestAddress(one.address, "arp")


def _sorted(told: Iterable[Address], cards: Sequence[Optional[str]]) -> List[Address]:
    """By card, those inside the guest (a container's bridge) last; IPv4 before IPv6."""
    return sorted(
        told,
        key=lambda one: (cards.index(one.mac_address) if one.mac_address in cards else len(cards), one.family),
    )


def _usable(candidates: Iterator[GuestAddress]) -> Iterator[GuestAddress]:
    return (candidate for candidate in candidates if is_usable(candidate.address))


def is_usable(text: str) -> bool:
    """Whether it is an address that is of use to others than the guest: no loopback, no link-local one."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast)
