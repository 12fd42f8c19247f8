# SPDX-License-Identifier: GPL-3.0-or-later
"""At which of its addresses a guest should be reached."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Callable, Iterator, List, Optional, Sequence, Tuple, Union

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import Interface
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Address
from ansible_collections.hostler.libvirt.plugins.module_utils.network import is_usable

SOURCES = ("lease", "agent", "arp")
FAMILIES = ("ipv4", "ipv6")

Subnet = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


@dataclass(frozen=True)
class AddressWish:
    """Who is asked for addresses, and which of them will do; in each list the first is the dearest.

    ``networks`` are subnets (``10.1.0.0/16``) that an address is in, or names of the libvirt networks and bridges that
    its card is on; ``cards`` are the VM's network cards by their number, from 0. None is all of them.
    """

    sources: Tuple[str, ...] = SOURCES
    families: Tuple[str, ...] = FAMILIES
    networks: Optional[Tuple[str, ...]] = None
    cards: Optional[Tuple[int, ...]] = None


def validate_address_wish(wish: AddressWish) -> AddressWish:
    """``wish`` if it can be; raises `InvalidSpec`."""
    errors = list(_errors(wish))
    if errors:
        raise InvalidSpec(errors)
    return wish


def chosen_address(
    wish: AddressWish, interfaces: Sequence[Interface], ask: Callable[[str], Sequence[Address]]
) -> Optional[Address]:
    """The best address of the first source that has one that will do; sources after that are not asked.

    Addresses of cards that are not the VM's (a container's bridge in the guest) will not do.
    """
    for source in wish.sources:
        ranked = [(rank, one) for one in ask(source) for rank in _ranks(wish, interfaces, one)]
        if ranked:
            return min(ranked, key=lambda pair: pair[0])[1]
    return None


def _ranks(wish: AddressWish, interfaces: Sequence[Interface], one: Address) -> Iterator[Tuple[int, int, int]]:
    """Its rank, a smaller one for a better address; nothing for one that will not do."""
    macs = [card.mac_address for card in interfaces]
    if one.mac_address not in macs or one.family not in wish.families or not is_usable(one.address):
        return
    card = macs.index(one.mac_address)
    network, number = 0, card
    if wish.networks is not None:
        on = [index for index, name in enumerate(wish.networks) if _is_on(name, one, interfaces[card])]
        if not on:
            return
        network = on[0]
    if wish.cards is not None:
        if card not in wish.cards:
            return
        number = wish.cards.index(card)
    yield network, number, wish.families.index(one.family)


def _is_on(network: str, one: Address, card: Interface) -> bool:
    subnet = _subnet(network)
    return card.source == network if subnet is None else ipaddress.ip_address(one.address) in subnet


def _subnet(text: str) -> Optional[Subnet]:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None


def _errors(wish: AddressWish) -> Iterator[FieldError]:
    known: List[Tuple[str, Tuple[str, ...], Tuple[str, ...]]] = [
        ("address_sources", wish.sources, SOURCES),
        ("address_families", wish.families, FAMILIES),
    ]
    for option, given, choices in known:
        for index, one in enumerate(given):
            if one not in choices:
                yield FieldError(f"{option}.{index}", f"must be one of {', '.join(choices)}")
    for index, network in enumerate(wish.networks or ()):
        if not network:
            yield FieldError(f"address_networks.{index}", "is empty")
        elif "/" in network and _subnet(network) is None:  # no network's name has a slash
            yield FieldError(f"address_networks.{index}", "is no subnet, such as 192.168.122.0/24")
    for index, card in enumerate(wish.cards or ()):
        if card < 0:
            yield FieldError(f"address_cards.{index}", "must be the number of a card, from 0")
