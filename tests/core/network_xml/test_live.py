# SPDX-License-Identifier: GPL-3.0-or-later
"""What a network that runs is told is what makes it what it is to be, in an order that libvirt takes."""

from typing import Any

from ansible_collections.hostler.libvirt.plugins.module_utils.network_xml.edit import (
    Edit,
    with_live_lists,
    with_options,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.network_xml.live import live_changes
from tests.core.networks import MACVTAP, NAT


def told(xml: str, *exclusive: str, **options: Any) -> list[tuple[str, str, int]]:
    """The list, the command and the subnet of each change."""
    after = with_live_lists(xml, Edit(options, exclusive)).xml
    return [(change.option, change.command, change.subnet) for change in live_changes(xml, after)]


def test_the_same_needs_no_change() -> None:
    assert live_changes(NAT, NAT) == []


def test_what_goes_goes_first_so_that_its_address_is_free() -> None:
    wanted = [{"ip": "10.99.1.30", "mac": "52:54:00:00:00:02"}]

    assert told(NAT, "dhcp_hosts", dhcp_hosts=wanted) == [("dhcp_hosts", "delete", 0), ("dhcp_hosts", "add", 0)]


def test_a_card_s_address_is_modified_and_can_be_put_back() -> None:
    after = with_live_lists(NAT, Edit({"dhcp_hosts": [{"ip": "10.99.1.31", "mac": "52:54:00:00:00:01"}]})).xml

    (change,) = live_changes(NAT, after)

    assert (change.command, change.subnet) == ("modify", 0)
    assert "10.99.1.31" in change.xml
    assert "10.99.1.30" in (change.before or "")


def test_an_entry_of_ipv6_goes_into_the_second_subnet() -> None:
    assert told(NAT, dhcp_ranges=[{"start": "fd00:99::10", "end": "fd00:99::20"}]) == [("dhcp_ranges", "add", 1)]


def test_records_of_dns_can_only_be_taken_out_and_put_in() -> None:
    assert told(NAT, dns_txt=[{"name": "example", "value": "other"}]) == [
        ("dns_txt", "delete", -1),
        ("dns_txt", "add", -1),
    ]


def test_a_portgroup_is_modified() -> None:
    assert told(NAT, portgroups=[{"name": "web", "vlan": {"tags": [5]}}]) == [("portgroups", "modify", -1)]


def test_an_interface_that_guests_are_on_is_told_without_their_number() -> None:
    after = with_live_lists(MACVTAP, Edit({"interfaces": ["eth1"]}, ("interfaces",))).xml

    changes = live_changes(MACVTAP, after)

    assert [(change.command, change.xml) for change in changes] == [
        ("delete", '<interface dev="eth0" />'),
        ("add", '<interface dev="eth1" />'),
    ]


def test_what_can_only_be_at_the_next_start_is_no_change_now() -> None:
    after = with_options(NAT, Edit({"mtu": 1400, "domain": "other.test", "routes": []})).xml

    assert live_changes(NAT, after) == []
