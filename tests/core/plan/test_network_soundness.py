# SPDX-License-Identifier: GPL-3.0-or-later
"""What a network would be after a change is refused by the name of the option that makes it impossible."""

from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.network_xml.edit import Edit, new_network, with_options
from ansible_collections.hostler.libvirt.plugins.module_utils.network_xml.read import read_network
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.network_soundness import require_sound
from tests.core.networks import MACVTAP, NAT


def looked_at(xml: str, **options: Any) -> None:
    """Look at what the network would be."""
    made = with_options(xml, Edit(options))
    require_sound(read_network(made.xml), made.misplaced, tuple(options))


@pytest.mark.parametrize(
    ("xml", "options", "field"),
    [
        (NAT, {"dhcp_hosts": [{"ip": "10.1.1.1", "name": "b"}]}, "dhcp_hosts.0.ip"),
        (NAT, {"dhcp_hosts": [{"ip": "10.99.1.1", "name": "b"}]}, "dhcp_hosts.1.ip"),
        (NAT, {"dhcp_hosts": [{"ip": "10.99.1.30", "name": "b"}]}, "dhcp_hosts.0.ip"),
        (NAT, {"dhcp_ranges": [{"start": "10.99.1.30", "end": "10.99.2.3"}]}, "dhcp_ranges.1.end"),
        (NAT, {"interfaces": ["eth0"]}, "interfaces.0"),
        (NAT, {"forward": {"mode": "open", "dev": "eth0"}}, "forward.dev"),
        (NAT, {"forward": {"physical_function": "eth0"}}, "forward.physical_function"),
        (NAT, {"forward": {"mode": "route", "nat_start": "10.0.0.1"}}, "forward.mode"),
        (NAT, {"forward": {"mode": "bridge"}}, "forward.mode"),
        (NAT, {"vlan": {"tags": [5]}}, "vlan"),
        (NAT, {"dns_enabled": False}, "dns_enabled"),
        (NAT, {"domain": "", "domain_local": True}, "domain_local"),
        (NAT, {"portgroups": [{"name": "more", "default": True}]}, "portgroups"),
        (NAT, {"addresses": ["10.9.0.1/24"], "dhcp_hosts": [{"ip": "10.9.0.2", "name": "b"}]}, "dhcp_hosts"),
        (MACVTAP, {"addresses": ["10.9.0.1/24"]}, "addresses"),
        (MACVTAP, {"domain": "a.test"}, "domain"),
        (MACVTAP, {"bridge": "br0"}, "bridge"),
        (MACVTAP, {"forward": {"mode": "vepa"}}, "interfaces"),
        (new_network("n"), {"forward": {"mode": "nat"}}, "addresses"),
        (new_network("n"), {"forward": {"mode": "bridge"}}, "bridge"),
        (new_network("n"), {"forward": {"mode": "bridge", "dev": "eth0"}, "interfaces": ["eth0"]}, None),
        (new_network("n"), {"forward": {"mode": "private"}, "bridge": "br0"}, "bridge"),
        (new_network("n"), {"dhcp_ranges": [{"start": "10.1.1.1", "end": "10.1.1.2"}]}, "dhcp_ranges.0.start"),
    ],
)
def test_what_can_t_be_is_refused(xml: str, options: dict[str, Any], field: str | None) -> None:
    if field is None:
        looked_at(xml, **options)
        return
    with pytest.raises(InvalidSpec) as caught:
        looked_at(xml, **options)

    assert caught.value.field == field


def test_a_new_mode_that_what_is_there_forbids_is_refused_in_one_sentence_that_names_it() -> None:
    with pytest.raises(InvalidSpec) as caught:
        looked_at(NAT, forward={"mode": "bridge"}, interfaces=["eth0"])

    assert "addresses, dhcp_ranges, dhcp_hosts, dns_hosts, dns_txt, domain" in caught.value.message


@pytest.mark.parametrize(
    ("xml", "options"),
    [
        (NAT, {"mtu": 1400}),
        (NAT, {"forward": {"mode": "isolated"}}),
        (MACVTAP, {"interfaces": ["eth1"]}),
        (
            new_network("n"),
            {"forward": {"mode": "bridge"}, "bridge": "br0", "openvswitch": True, "vlan": {"tags": [5]}},
        ),
        (new_network("n"), {"forward": {"mode": "hostdev", "physical_function": "eth0"}, "vlan": {"tags": [5]}}),
        (new_network("n"), {"addresses": ["fd00::1/64"]}),
        (new_network("n"), {}),
    ],
)
def test_what_can_be_is_not_refused(xml: str, options: dict[str, Any]) -> None:
    looked_at(xml, **options)


def test_what_others_wrote_and_nobody_asks_for_is_not_looked_at() -> None:
    odd = NAT.replace("10.99.1.30", "10.99.1.1").replace("<domain", "<vlan><tag id='5'/></vlan><domain")

    looked_at(odd, mtu=1400)
