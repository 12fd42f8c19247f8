# SPDX-License-Identifier: GPL-3.0-or-later
"""The subnet that is chosen belongs to nobody."""

from ipaddress import IPv4Network
from typing import Any

import pytest

from lab.errors import LabError
from lab.subnets import free_subnet, further_subnet, subnets_of_addresses, subnets_of_routes


def test_first_subnet_that_overlaps_nothing_is_chosen() -> None:
    taken = [IPv4Network("192.168.130.0/24"), IPv4Network("192.168.131.128/25"), IPv4Network("192.168.132.7/32")]
    assert free_subnet(taken) == IPv4Network("192.168.133.0/24")


def test_another_range_is_used_where_a_route_covers_the_first() -> None:
    assert free_subnet([IPv4Network("192.168.0.0/16")]) == IPv4Network("10.213.0.0/24")


def test_nothing_free_is_an_error_that_names_the_ranges() -> None:
    with pytest.raises(LabError, match=r"192\.168\.130\.0.*10\.213\.0\.0"):
        free_subnet([IPv4Network("192.168.0.0/16"), IPv4Network("10.0.0.0/8")])


def test_labs_begin_elsewhere_to_look_for_the_subnet_of_a_further_network() -> None:
    assert further_subnet("0000fe", []) == IPv4Network("10.214.254.0/24")
    assert further_subnet("0000fe", [IPv4Network("10.214.254.0/23")]) == IPv4Network("10.214.0.0/24")


def test_no_subnet_for_a_further_network_is_an_error() -> None:
    with pytest.raises(LabError, match=r"10\.214\.0\.0"):
        further_subnet("0000fe", [IPv4Network("10.0.0.0/8")])


def test_libvirts_usual_network_is_never_chosen() -> None:
    usual = IPv4Network("192.168.122.0/24")
    all_else = [*IPv4Network("192.168.0.0/16").address_exclude(usual), IPv4Network("10.0.0.0/8")]
    with pytest.raises(LabError, match="no free subnet"):
        free_subnet(all_else)


def test_networks_are_read_from_addresses_and_routes() -> None:
    links: list[dict[str, Any]] = [
        {"ifname": "lo", "addr_info": [{"local": "127.0.0.1", "prefixlen": 8}]},
        {"ifname": "down"},
    ]
    assert subnets_of_addresses(links) == [IPv4Network("127.0.0.0/8")]
    routes = [{"dst": "default"}, {"dst": "10.1.0.0/16"}, {"type": "local", "dst": "10.1.0.9"}]
    assert subnets_of_routes(routes) == [IPv4Network("10.1.0.0/16"), IPv4Network("10.1.0.9/32")]
