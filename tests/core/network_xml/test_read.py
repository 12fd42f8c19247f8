# SPDX-License-Identifier: GPL-3.0-or-later
"""Network XML is read as the options say it, however it is written."""

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.network_xml.read import identity_of, read_network
from tests.core.networks import MACVTAP, NAT


def test_a_nat_network_is_read_as_the_options_have_it() -> None:
    assert read_network(NAT) == {
        "forward": {"mode": "nat", "nat_port_start": 1024, "nat_port_end": 65535},
        "bridge": "br-int",
        "domain": "internal.test",
        "domain_local": False,
        "mtu": None,
        "dns_enabled": True,
        "vlan": None,
        "bandwidth": None,
        "openvswitch": False,
        "addresses": ["10.99.1.1/24", "fd00:99::1/64"],
        "dhcp_ranges": [{"start": "10.99.1.10", "end": "10.99.1.20"}],
        "dhcp_hosts": [{"ip": "10.99.1.30", "mac": "52:54:00:00:00:01", "name": "a"}],
        "dns_hosts": [{"ip": "10.99.1.5", "hostnames": ["x.internal.test"]}],
        "dns_forwarders": [],
        "dns_srv": [],
        "dns_txt": [{"name": "example", "value": "text"}],
        "portgroups": [{"name": "web", "default": True}],
        "routes": [],
        "interfaces": [],
    }


def test_the_dev_of_a_network_of_the_host_s_own_is_its_first_interface() -> None:
    found = read_network(MACVTAP)

    assert (found["forward"], found["interfaces"]) == ({"mode": "bridge"}, ["eth0"])


def test_the_interface_of_a_nat_network_is_its_dev() -> None:
    found = read_network("<network><forward mode='nat' dev='eth0'><interface dev='eth0'/></forward></network>")

    assert (found["forward"], found["interfaces"]) == ({"mode": "nat", "dev": "eth0"}, [])


def test_what_forwards_nothing_is_isolated_and_what_names_no_mode_is_nat() -> None:
    assert read_network("<network><name>n</name></network>")["forward"] == {"mode": "isolated"}
    assert read_network("<network><forward/></network>")["forward"] == {"mode": "nat"}


@pytest.mark.parametrize(
    ("attributes", "address"),
    [
        ("address='10.0.0.1'", "10.0.0.1/8"),
        ("address='172.16.0.1'", "172.16.0.1/16"),
        ("address='192.168.1.1'", "192.168.1.1/24"),
        ("address='10.0.0.1' netmask='255.255.0.0'", "10.0.0.1/16"),
        ("address='10.0.0.1' prefix='30'", "10.0.0.1/30"),
        ("family='ipv6' address='FD00:0::1' prefix='64'", "fd00::1/64"),
        ("family='ipv6' address='fd00::1'", "fd00::1/128"),
    ],
)
def test_an_address_has_its_prefix_however_that_is_said(attributes: str, address: str) -> None:
    assert read_network(f"<network><ip {attributes}/></network>")["addresses"] == [address]


@pytest.mark.parametrize(
    ("lease", "seconds"),
    [("expiry='2' unit='hours'", 7200), ("expiry='5'", 300), ("expiry='130' unit='seconds'", 130), ("expiry='0'", 0)],
)
def test_a_lease_is_in_seconds_whatever_its_unit(lease: str, seconds: int) -> None:
    leased = f"<dhcp><range start='10.0.0.2' end='10.0.0.3'><lease {lease}/></range></dhcp>"
    xml = f"<network><ip address='10.0.0.1'>{leased}</ip></network>"

    assert read_network(xml)["dhcp_ranges"][0]["lease_seconds"] == seconds


def test_more_than_one_tag_is_a_trunk() -> None:
    found = read_network("<network><vlan><tag id='1'/><tag id='2' nativeMode='untagged'/></vlan></network>")

    assert found["vlan"] == {"tags": [1, 2], "trunk": True, "native": 2}


def test_a_network_is_known_by_name_uuid_and_mac() -> None:
    assert identity_of(NAT) == {
        "name": "internal",
        "uuid": "7da35a2f-2de2-4e85-b528-4bf6b220953d",
        "mac_address": "52:54:00:43:15:30",
    }
    assert identity_of("<network><name>n</name></network>") == {"name": "n", "uuid": None, "mac_address": None}
