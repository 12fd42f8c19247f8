# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of a guest's addresses it is reached at."""

from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.address_wish import (
    AddressWish,
    chosen_address,
    validate_address_wish,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import Interface
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Address

FIRST, SECOND, INSIDE = "52:54:00:00:00:01", "52:54:00:00:00:02", "02:42:00:00:00:01"
CARDS = (Interface("network", "default", FIRST), Interface("bridge", "br0", SECOND))
TOLD = {
    "lease": [Address(FIRST, "192.168.122.9", "ipv4", "lease")],
    "agent": [
        Address(INSIDE, "172.17.0.1", "ipv4", "agent"),
        Address(SECOND, "10.1.0.9", "ipv4", "agent"),
        Address(SECOND, "2001:db8::9", "ipv6", "agent"),
        Address(FIRST, "fe80::9", "ipv6", "agent"),
        Address(FIRST, "192.168.122.9", "ipv4", "agent"),
    ],
    "arp": [Address(SECOND, "10.1.0.9", "ipv4", "arp")],
}


def chosen(told: dict[str, list[Address]] | None = None, **wish: Any) -> tuple[str, str] | None:
    found = chosen_address(AddressWish(**wish), CARDS, (TOLD if told is None else told).__getitem__)
    return None if found is None else (found.source, found.address)


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({}, ("lease", "192.168.122.9")),
        ({"sources": ("arp", "lease")}, ("arp", "10.1.0.9")),
        ({"sources": ("agent",)}, ("agent", "192.168.122.9")),
        ({"families": ("ipv6",)}, ("agent", "2001:db8::9")),
        ({"families": ("ipv6", "ipv4"), "cards": (1,)}, ("agent", "2001:db8::9")),
        ({"cards": (1, 0), "sources": ("agent",)}, ("agent", "10.1.0.9")),
        ({"networks": ("br0",)}, ("agent", "10.1.0.9")),
        ({"networks": ("10.0.0.0/8", "default"), "sources": ("agent",)}, ("agent", "10.1.0.9")),
        ({"networks": ("default", "10.0.0.0/8"), "sources": ("agent",)}, ("agent", "192.168.122.9")),
        ({"networks": ("172.16.0.0/12",)}, None),
        ({"sources": ()}, None),
    ],
)
def test_the_first_source_that_has_one_which_will_do_is_believed(
    wish: dict[str, Any], expected: tuple[str, str] | None
) -> None:
    assert chosen(**wish) == expected


def test_who_comes_after_the_one_that_knew_is_not_asked() -> None:
    assert chosen({"lease": TOLD["lease"]}) == ("lease", "192.168.122.9")


def test_an_address_inside_the_guest_or_of_no_use_to_others_will_not_do() -> None:
    told = [Address(INSIDE, "172.17.0.1", "ipv4", "agent"), Address(FIRST, "fe80::1", "ipv6", "agent")]

    assert chosen({"agent": told}, sources=("agent",)) is None


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"sources": ("lease", "dns")}, "address_sources.1"),
        ({"families": ("ipx",)}, "address_families.0"),
        ({"networks": ("10.0.0.1/8",)}, "address_networks.0"),
        ({"networks": ("default", "")}, "address_networks.1"),
        ({"cards": (0, -1)}, "address_cards.1"),
    ],
)
def test_what_can_not_be_is_named(wish: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        validate_address_wish(AddressWish(**wish))

    assert [error.field for error in caught.value.errors] == [field]
