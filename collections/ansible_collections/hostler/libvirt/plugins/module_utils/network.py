# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a guest can be reached."""

from __future__ import annotations

import ipaddress
from typing import Iterator, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import DomainDefinition
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import GuestAddress


def guest_address(hypervisor: Hypervisor, domain: Domain, running: DomainDefinition) -> Optional[GuestAddress]:
    """The first address at which the guest can be reached, None as long as there is none.

    The guest agent knows best; then the newest valid lease of libvirt's DHCP; then the host's ARP table. Loopback and
    link-local ones are no use to anybody else; IPv4 comes before IPv6, the first card before the others.
    """
    return next(_usable(_candidates(hypervisor, domain, running)), None)


def _candidates(hypervisor: Hypervisor, domain: Domain, running: DomainDefinition) -> Iterator[GuestAddress]:
    cards = [card.mac_address for card in running.interfaces]
    if running.guest_agent_connected:  # asking an agent that is not there costs seconds
        found = domain.addresses("agent")
        found.sort(
            key=lambda one: (
                cards.index(one.mac_address) if one.mac_address in cards else len(cards),
                one.family,
            )
        )
        for one in found:
            yield GuestAddress(one.address, "agent")
    for card in running.interfaces:
        network = hypervisor.find_network(card.source) if card.type == "network" and card.source else None
        if network is not None and card.mac_address is not None:
            address = network.lease_of(card.mac_address)
            if address:
                yield GuestAddress(address, "lease")
    for one in domain.addresses("arp"):
        yield GuestAddress(one.address, "arp")


def _usable(candidates: Iterator[GuestAddress]) -> Iterator[GuestAddress]:
    for candidate in candidates:
        try:
            address = ipaddress.ip_address(candidate.address)
        except ValueError:
            continue
        if not (address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast):
            yield candidate
