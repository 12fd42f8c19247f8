# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of a guest's many addresses is the one to reach it by.

Guests with several cards, IPv6 and container bridges take minutes to build; what libvirt would answer for them is told
by stand-ins here. With a real guest, see actions/test_power.py.
"""

import time
from typing import Any

import libvirt
import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import DomainDefinition, Interface
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Address
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.network import Network
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import GuestAddress
from ansible_collections.hostler.libvirt.plugins.module_utils.network import guest_address, guest_addresses
from tests.core.machines import UUID

FIRST, SECOND, INNER = "52:54:00:00:00:01", "52:54:00:00:00:02", "02:42:ac:11:00:01"
DAY = 86400  # seconds: what is made when the tests are collected is looked at much later
V4, V6 = libvirt.VIR_IP_ADDR_TYPE_IPV4, libvirt.VIR_IP_ADDR_TYPE_IPV6


class Leases:
    """What libvirt's network object answers."""

    def __init__(self, *leases: dict[str, Any]) -> None:
        self.leases = leases

    def name(self) -> str:
        return "default"

    def DHCPLeases(self, mac: str | None) -> list[dict[str, Any]]:  # noqa: N802  libvirt's name
        return [lease for lease in self.leases if mac is None or lease["mac"] == mac]


class Guest:
    """What our domain and hypervisor answer of a guest."""

    def __init__(self, *addresses: Address, leases: Leases | None = None) -> None:
        self.known = addresses
        self.leases = leases

    def addresses(self, source: str) -> list[Address]:
        return [address for address in self.known if address.source == source]

    def find_network(self, _name: str) -> Network | None:
        return None if self.leases is None else Network(self.leases)


def lease(address: str, seconds: float | None, mac: str = FIRST) -> dict[str, Any]:
    """A lease that ends in so many seconds, or never."""
    expiry = 0 if seconds is None else int(time.time() + seconds)
    return {"mac": mac, "ipaddr": address, "type": V6 if ":" in address else V4, "expirytime": expiry}


def told(address: str, mac: str | None = FIRST, source: str = "agent") -> Address:
    return Address(mac, address, "ipv6" if ":" in address else "ipv4", source)


def reached_by(guest: Any, agent: bool = True) -> GuestAddress | None:
    running = DomainDefinition(
        "guest", UUID, "qemu", 1, 65536,
        interfaces=(Interface("network", "default", FIRST), Interface("bridge", "br0", SECOND)),
        guest_agent_connected=agent,
    )  # fmt: skip
    return guest_address(guest, guest, running)


def test_the_agent_knows_best_then_the_lease_then_the_hosts_neighbours() -> None:
    leases = Leases(lease("192.0.2.2", DAY))
    agent, neighbour = told("192.0.2.1"), told("192.0.2.3", source="arp")

    assert reached_by(Guest(neighbour, agent, leases=leases)) == GuestAddress("192.0.2.1", "agent")
    assert reached_by(Guest(neighbour, leases=leases)) == GuestAddress("192.0.2.2", "lease")
    assert reached_by(Guest(neighbour)) == GuestAddress("192.0.2.3", "arp")
    assert reached_by(Guest()) is None


def test_an_agent_that_is_not_connected_is_not_asked() -> None:
    assert reached_by(Guest(told("192.0.2.1")), agent=False) is None


@pytest.mark.parametrize(
    "useless",
    ["127.0.0.1", "127.8.8.8", "::1", "169.254.3.4", "fe80::1", "fe80::1%eth0", "0.0.0.0", "::", "224.0.0.1", "", "x"],  # noqa: S104
)
def test_an_address_that_is_no_use_to_anybody_else_is_passed_over(useless: str) -> None:
    assert reached_by(Guest(told(useless), told("192.0.2.1"))) == GuestAddress("192.0.2.1", "agent")
    assert reached_by(Guest(told(useless))) is None


def test_ipv4_comes_before_ipv6_and_the_vms_own_cards_before_what_is_inside_it() -> None:
    guest = Guest(told("172.17.0.1", INNER), told("192.0.2.9", SECOND), told("2001:db8::1"), told("192.0.2.1"))
    assert reached_by(guest) == GuestAddress("192.0.2.1", "agent")

    guest = Guest(told("172.17.0.1", INNER), told("198.51.100.7", None), told("2001:db8::1"))
    assert reached_by(guest) == GuestAddress("2001:db8::1", "agent")


@pytest.mark.parametrize(
    ("leases", "address"),
    [
        ([], ""),
        ([lease("192.0.2.1", -DAY)], ""),
        ([lease("192.0.2.1", DAY), lease("192.0.2.2", 2 * DAY)], "192.0.2.2"),
        ([lease("192.0.2.1", -DAY), lease("192.0.2.2", DAY)], "192.0.2.2"),
        ([lease("192.0.2.1", None), lease("192.0.2.2", 2 * DAY)], "192.0.2.1"),
        ([lease("192.0.2.3", DAY, SECOND)], ""),
        ([lease("192.0.2.1", DAY), lease("2001:db8::1", 2 * DAY)], "192.0.2.1"),
        ([lease("192.0.2.1", -DAY), lease("2001:db8::1", 2 * DAY)], "2001:db8::1"),
    ],
)
def test_the_newest_lease_that_is_valid_counts_and_ipv4_before_ipv6(leases: list[dict[str, Any]], address: str) -> None:
    assert Network(Leases(*leases)).lease_of(FIRST) == address


def test_a_lease_is_looked_for_on_libvirts_networks_only() -> None:
    guest = Guest(leases=Leases(lease("192.0.2.9", DAY, SECOND)))

    assert reached_by(guest, agent=False) is None


def test_all_leases_of_a_network_are_the_newest_of_each_card_and_family() -> None:
    leases = Leases(
        lease("192.0.2.1", DAY), lease("192.0.2.2", 2 * DAY), lease("2001:db8::1", DAY), lease("192.0.2.3", -DAY),
        lease("192.0.2.9", None, SECOND.upper()),
    )  # fmt: skip

    assert Network(leases).leases() == {
        FIRST: [told("192.0.2.2", source="lease"), told("2001:db8::1", source="lease")],
        SECOND: [told("192.0.2.9", SECOND, source="lease")],
    }


def test_all_addresses_are_there_once_the_best_source_first() -> None:
    running = DomainDefinition(
        "guest", UUID, "qemu", 1, 65536,
        interfaces=(Interface("network", "default", FIRST), Interface("bridge", "br0", SECOND)),
    )  # fmt: skip
    agent = [told("172.17.0.1", INNER), told("127.0.0.1"), told("fe80::1"), told("192.0.2.1")]
    leases = {FIRST: [told("192.0.2.1", source="lease"), told("192.0.2.2", source="lease")], INNER: [told("192.0.2.8")]}
    neighbours = [told("192.0.2.2", source="arp"), told("192.0.2.9", SECOND, source="arp")]

    found = guest_addresses(running, agent, leases, neighbours)

    assert [(one.address, one.source) for one in found] == [
        ("192.0.2.1", "agent"),
        ("172.17.0.1", "agent"),
        ("192.0.2.2", "lease"),
        ("192.0.2.9", "arp"),
    ]
    assert guest_addresses(running, [], {}, []) == []
