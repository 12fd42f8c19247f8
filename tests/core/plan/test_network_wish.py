# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wanted of a network is refused by the name of its field where no network can be so."""

from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.network_wish import network_wish_from


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"name": "a/b"}, "name"),
        ({"state": "gone"}, "state"),
        ({"colour": "red"}, "colour"),
        ({"forward": {"mode": "teleport"}}, "forward.mode"),
        ({"forward": {"nat_start": "x"}}, "forward.nat_start"),
        ({"forward": {"nat_port_start": 0}}, "forward.nat_port_start"),
        ({"bridge": "far-too-long-a-name"}, "bridge"),
        ({"mtu": 67}, "mtu"),
        ({"mtu": 70000}, "mtu"),
        ({"addresses": ["10.0.0.1"]}, "addresses.0"),
        ({"addresses": ["10.0.0.1/24", "10.0.0.1/25"]}, "addresses.1"),
        ({"addresses": ["x/24"]}, "addresses.0"),
        ({"dhcp_ranges": [{"start": "10.0.0.9", "end": "10.0.0.2"}]}, "dhcp_ranges.0.end"),
        ({"dhcp_ranges": [{"start": "10.0.0.9", "end": "fd00::2"}]}, "dhcp_ranges.0.end"),
        ({"dhcp_ranges": [{"start": "10.0.0.9"}]}, "dhcp_ranges.0.end"),
        (
            {"dhcp_ranges": [{"start": "10.0.0.1", "end": "10.0.0.2", "lease_seconds": 60}]},
            "dhcp_ranges.0.lease_seconds",
        ),
        ({"dhcp_hosts": [{"ip": "10.0.0.9"}]}, "dhcp_hosts.0.mac"),
        ({"dhcp_hosts": [{"ip": "10.0.0.9", "mac": "3224"}]}, "dhcp_hosts.0.mac"),
        ({"dhcp_hosts": [{"ip": "10.0.0.256", "name": "a"}]}, "dhcp_hosts.0.ip"),
        ({"dhcp_hosts": [{"ip": "10.0.0.9", "name": "a\nb"}]}, "dhcp_hosts.0.name"),
        ({"dns_hosts": [{"ip": "10.0.0.9", "hostnames": []}]}, "dns_hosts.0.hostnames"),
        ({"dns_forwarders": [{}]}, "dns_forwarders.0.address"),
        ({"dns_forwarders": [{"address": "ns1"}]}, "dns_forwarders.0.address"),
        ({"dns_srv": [{"service": "a.b", "protocol": "tcp"}]}, "dns_srv.0.service"),
        ({"dns_txt": [{"name": "a", "value": "x\x00"}]}, "dns_txt.0.value"),
        ({"vlan": {"tags": [4096]}}, "vlan.tags.0"),
        ({"vlan": {"tags": [1], "native": 2}}, "vlan.native"),
        ({"vlan": {"tags": [1, 2], "trunk": False}}, "vlan.trunk"),
        ({"vlan": {"tags": ["x"]}}, "vlan.tags"),
        ({"portgroups": [{"name": "a", "vlan": {"tags": [-1]}}]}, "portgroups.0.vlan.tags.0"),
        ({"portgroups": [{"name": "a"}, {"name": "a"}]}, "portgroups.1"),
        ({"routes": [{"address": "10.0.0.0", "gateway": "10.0.0.1"}]}, "routes.0.address"),
        ({"routes": [{"address": "10.0.0.0/8", "gateway": "x"}]}, "routes.0.gateway"),
        ({"interfaces": ["eth0; reboot"]}, "interfaces.0"),
        ({"bandwidth": {"inbound": {"average": -1}}}, "bandwidth.inbound.average"),
        ({"bandwidth": {"inbound": {"peak": 5}}}, "bandwidth.inbound.average"),
        ({"dns_txt_exclusive": True}, "dns_txt_exclusive"),
        ({"force": True}, "force"),
        ({"restart": True, "state": "absent"}, "restart"),
        ({"xml": "<network/>", "mtu": 1400}, "mtu"),
    ],
)
def test_what_no_network_can_be_is_refused(wanted: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        network_wish_from({"name": "internal", **wanted})

    assert caught.value.field == field


def test_what_is_left_out_or_null_is_not_asked_for() -> None:
    wish = network_wish_from({"name": "internal", "mtu": None, "forward": {"mode": "nat", "dev": None}})

    assert wish.edit.options == {"forward": {"mode": "nat"}}


def test_addresses_are_asked_for_in_short() -> None:
    wish = network_wish_from(
        {
            "name": "internal",
            "addresses": ["FD00:0:0::1/64"],
            "dhcp_hosts": [{"mac": "52:54:00:AB:CD:EF", "ip": "FD00::0:5"}],
            "dhcp_hosts_exclusive": True,
        }
    )

    assert wish.edit.options == {
        "addresses": ["fd00::1/64"],
        "dhcp_hosts": [{"mac": "52:54:00:ab:cd:ef", "ip": "fd00::5"}],
    }
    assert wish.edit.exclusive == ("dhcp_hosts",)
