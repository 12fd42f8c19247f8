# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of a network's XML leave everything else of it as it was."""

from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.network_xml.edit import (
    Edit,
    Misplaced,
    new_network,
    with_live_lists,
    with_options,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.network_xml.read import read_network
from tests.core.networks import MACVTAP, NAT


def changed(xml: str, *exclusive: str, **options: Any) -> dict[str, Any]:
    """What the network says after the edit, where that is something else than before."""
    before = read_network(xml)
    made = with_options(xml, Edit(options, exclusive))
    assert made.misplaced == []
    after = read_network(made.xml)
    return {name: value for name, value in after.items() if value != before[name]}


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("forward", {"mode": "route"}),
        ("forward", {"mode": "isolated"}),
        ("bridge", "br-other"),
        ("domain", "other.test"),
        ("domain_local", True),
        ("mtu", 1400),
        ("addresses", ["10.99.1.1/24", "fd00:99::1/64", "10.99.2.1/24"]),
        (
            "dhcp_ranges",
            [
                {"start": "10.99.1.10", "end": "10.99.1.20", "lease_seconds": 600},
                {"start": "fd00:99::10", "end": "fd00:99::20"},
            ],
        ),
        (
            "dhcp_hosts",
            [
                {"ip": "10.99.1.31", "mac": "52:54:00:00:00:01", "name": "a", "lease_seconds": 0},
                {"ip": "fd00:99::5", "id": "00:03:00:01:52:54:00:00:00:01", "name": "a"},
            ],
        ),
        ("dns_hosts", [{"ip": "10.99.1.5", "hostnames": ["y", "z"]}, {"ip": "10.99.1.6", "hostnames": ["w"]}]),
        (
            "dns_forwarders",
            [{"address": "10.0.0.9"}, {"domain": "b.test"}, {"address": "10.0.0.8", "domain": "c.test"}],
        ),
        (
            "dns_srv",
            [
                {"service": "ldap", "protocol": "tcp"},
                {
                    "service": "kerberos",
                    "protocol": "udp",
                    "domain": "a.test",
                    "target": "x.a.test",
                    "port": 88,
                    "priority": 1,
                    "weight": 2,
                },
            ],
        ),
        ("dns_txt", [{"name": "example", "value": "other"}, {"name": "more", "value": "text"}]),
        ("vlan", {"tags": [5, 6], "trunk": True, "native": 6}),
        ("openvswitch", True),
        (
            "portgroups",
            [
                {"name": "web", "default": False, "vlan": {"tags": [5], "trunk": False}},
                {"name": "db", "default": True, "bandwidth": {"inbound": {"average": 100, "peak": 200, "burst": 300}}},
            ],
        ),
        ("routes", [{"address": "10.20.0.0/16", "gateway": "10.99.1.2", "metric": 3}]),
        ("bandwidth", {"inbound": {"average": 100}, "outbound": {"average": 200, "peak": 300}}),
    ],
)
def test_each_option_says_what_was_written_and_changes_nothing_else(option: str, value: Any) -> None:
    assert changed(NAT, **{option: value}) == {option: value}


def test_dns_can_be_switched_off_and_on_where_nothing_is_in_it() -> None:
    off = with_options(new_network("plain"), Edit({"dns_enabled": False})).xml

    assert read_network(off)["dns_enabled"] is False
    assert changed(off, dns_enabled=True) == {"dns_enabled": True}


def test_nat_has_addresses_ports_and_ipv6_of_its_own() -> None:
    wanted = {"nat_start": "192.0.2.1", "nat_end": "192.0.2.9", "nat_port_start": 2000, "nat_ipv6": True}

    found = changed(NAT, forward=wanted)["forward"]

    assert found == {"mode": "nat", "nat_port_end": 65535, **wanted}


def test_what_no_option_is_for_survives() -> None:
    made = with_options(NAT, Edit({"dhcp_ranges": [], "mtu": 1400, "dns_hosts": []}, ("dhcp_ranges", "dns_hosts"))).xml

    for kept in ("urn:site", ">kept<", "pxelinux.0", "/srv/tftp", "dnsmasq:option ", "no-ping", 'stp="on"'):
        assert kept in made


def test_what_is_said_already_is_written_as_it_was() -> None:
    before = read_network(NAT)
    options = {name: value for name, value in before.items() if name != "interfaces" and value is not None}

    assert changed(NAT, *(name for name in options if isinstance(options[name], list)), **options) == {}


def test_entries_stay_unless_the_list_is_complete() -> None:
    wanted = [{"ip": "10.99.1.31", "mac": "52:54:00:00:00:02"}]

    assert len(changed(NAT, dhcp_hosts=wanted)["dhcp_hosts"]) == 2
    assert changed(NAT, "dhcp_hosts", dhcp_hosts=wanted)["dhcp_hosts"] == wanted


def test_an_entry_keeps_what_is_not_said_of_it() -> None:
    wanted = [{"ip": "10.99.1.31", "mac": "52:54:00:00:00:01"}]

    assert changed(NAT, dhcp_hosts=wanted) == {
        "dhcp_hosts": [{"ip": "10.99.1.31", "mac": "52:54:00:00:00:01", "name": "a"}]
    }


def test_a_kept_address_moves_to_another_subnet_with_its_card() -> None:
    two = with_options(NAT, Edit({"addresses": ["10.99.2.1/24"]})).xml

    made = with_options(two, Edit({"dhcp_hosts": [{"ip": "10.99.2.30", "mac": "52:54:00:00:00:01"}]})).xml

    assert read_network(made)["dhcp_hosts"] == [{"ip": "10.99.2.30", "mac": "52:54:00:00:00:01", "name": "a"}]


def test_an_address_without_a_subnet_has_no_place() -> None:
    edit = Edit({"dhcp_hosts": [{"ip": "10.99.1.31", "mac": "52:54:00:00:00:02"}, {"ip": "10.1.1.1", "name": "b"}]})

    assert with_options(NAT, edit).misplaced == [Misplaced("dhcp_hosts", 1)]


def test_empty_texts_numbers_and_lists_take_away() -> None:
    full = with_options(NAT, Edit({"mtu": 1400, "vlan": {"tags": [5]}, "bandwidth": {"inbound": {"average": 9}}})).xml
    nothing = {"mtu": 0, "domain": "", "vlan": {"tags": []}, "bandwidth": {"inbound": {"average": 0}}}

    assert changed(full, **nothing) == {"mtu": None, "domain": None, "vlan": None, "bandwidth": None}


def test_an_address_gets_another_prefix_in_place() -> None:
    found = changed(NAT, addresses=["10.99.1.1/25"])

    assert found == {"addresses": ["10.99.1.1/25", "fd00:99::1/64"]}


def test_another_mode_leaves_nothing_of_the_old_one() -> None:
    made = with_options(NAT, Edit({"forward": {"mode": "route", "dev": "eth0"}})).xml

    assert read_network(made)["forward"] == {"mode": "route", "dev": "eth0"}
    assert "<nat" not in made


def test_the_first_interface_is_not_said_twice() -> None:
    made = with_options(MACVTAP, Edit({"interfaces": ["eth1"]}, ("interfaces",))).xml

    assert read_network(made)["interfaces"] == ["eth1"]
    assert "eth0" not in made


def test_a_network_without_a_host_s_interfaces_has_no_place_for_one() -> None:
    assert with_options(NAT, Edit({"interfaces": ["eth0"]})).misplaced == [Misplaced("interfaces", 0)]


def test_a_virtual_function_is_a_pci_address() -> None:
    edit = Edit({"forward": {"mode": "hostdev"}, "interfaces": ["0000:03:10.1"]})
    made = with_options(new_network("functions"), edit).xml

    assert '<address type="pci" domain="0x0000" bus="0x03" slot="0x10" function="0x1" />' in made
    assert read_network(made)["interfaces"] == ["0000:03:10.1"]


def test_only_what_can_be_changed_now_is_changed_in_what_runs() -> None:
    edit = Edit({"mtu": 1400, "addresses": ["10.99.2.1/24"], "dns_txt": [{"name": "more", "value": "text"}]})

    after = read_network(with_live_lists(NAT, edit).xml)

    assert after == {**read_network(NAT), "dns_txt": [{"name": "example", "value": "text"}, *edit.options["dns_txt"]]}
