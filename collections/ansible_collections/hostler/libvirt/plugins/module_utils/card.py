# SPDX-License-Identifier: GPL-3.0-or-later
"""A network card as it should be: what it is plugged into, what the guest takes it for, its address."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Iterator, Optional, Sequence, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import LIBVIRT_NAME_PATTERN, facts

BRIDGE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$"  # IFNAMSIZ is 16 bytes with its NUL
MAC_PATTERN = r"^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$"

NETWORK_TYPES = ("nat", "bridge", "network", "none")
CARD_MODELS = ("virtio", "e1000e", "rtl8139")


@dataclass(frozen=True)
class NetworkConfig:
    """How one network card of the VM is connected."""

    type: str = field(
        default="nat",
        metadata=facts(
            "C(nat) is the host's NAT network, C(bridge) a bridge of the host, C(network) a libvirt network,"
            " C(none) no card.",
            choices=NETWORK_TYPES,
        ),
    )
    bridge_name: Optional[str] = field(
        default=None,
        metadata=facts(
            "The host's bridge, for type C(bridge).",
            pattern=BRIDGE_PATTERN,
            pattern_says="an interface name of at most 15 letters, digits, dots, dashes and underscores",
        ),
    )
    network_name: Optional[str] = field(
        default=None,
        metadata=facts(
            "The libvirt network, for type C(network).",
            pattern=LIBVIRT_NAME_PATTERN,
            pattern_says="the name of a libvirt network, without slashes and control characters",
        ),
    )
    model: str = field(
        default="virtio",
        metadata=facts(
            "What the guest takes the card for. C(e1000e) and C(rtl8139) are for guests without drivers for C(virtio).",
            choices=CARD_MODELS,
        ),
    )
    mac_address: Optional[str] = field(
        default=None,
        metadata=facts(
            "The card's address, of no other card of the network; a random one where it is left out.",
            pattern=MAC_PATTERN,
            pattern_says="six pairs of hexadecimal digits with colons between them",
        ),
    )


def card_errors(path: str, config: NetworkConfig) -> Iterator[FieldError]:
    """What is wrong with the fields of ``config`` together; each by itself has been looked at."""
    for name, owner in (("bridge_name", "bridge"), ("network_name", "network")):
        value = getattr(config, name)
        if config.type == owner and not value:
            yield FieldError(within(path, name), f"is required for type {owner}")
        if config.type != owner and value:
            yield FieldError(within(path, name), f"goes with type {owner} only")
    if config.mac_address is not None:
        yield from _address_errors(within(path, "mac_address"), config)


def within(path: str, name: str) -> str:
    """The path of the field ``name`` of what is at ``path``, which is empty for what is asked by itself."""
    return f"{path}.{name}" if path else name


def cards_errors(cards: Sequence[Tuple[str, NetworkConfig]]) -> Iterator[FieldError]:
    """What is wrong with a VM's cards, each with its path: with each by itself, and an address that two have."""
    addresses = set()
    for path, config in cards:
        yield from card_errors(path, config)
        address = (config.mac_address or "").lower()
        if address in addresses:
            yield FieldError(f"{path}.mac_address", "is the address of another card of this VM")
        elif address:
            addresses.add(address)


def no_card_errors(cards: Sequence[NetworkConfig]) -> Iterator[FieldError]:
    """What is wrong with further cards that are none."""
    for index, card in enumerate(cards):
        if card.type == "none":
            yield FieldError(f"nics.{index}.type", "is no further card: leave the entry out")


def _address_errors(path: str, config: NetworkConfig) -> Iterator[FieldError]:
    address = config.mac_address or ""
    if config.type == "none":
        yield FieldError(path, "goes with a card, and type none has none")
    elif re.fullmatch(MAC_PATTERN, address):
        first = int(address[:2], 16)
        if first % 2 or not int(address.replace(":", ""), 16):
            yield FieldError(path, "must be the address of one card: its first byte is even, and not all are 0")
        elif first == 0xFE:
            yield FieldError(path, "must not begin with fe: the host's end of the card takes that")
