# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt writes into dnsmasq's files, line by line, is one line."""

from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.network_wish import network_wish_from


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"dns_hosts": [{"ip": "10.9.2.5", "hostnames": ["a", "b\n10.9.2.1 bank"]}]}, "dns_hosts.0.hostnames.1"),
        ({"dns_hosts": [{"ip": "10.9.2.5", "hostnames": ["a b"]}]}, "dns_hosts.0.hostnames.0"),
        ({"dns_hosts": [{"ip": "10.9.2.5", "hostnames": ["a\n"]}]}, "dns_hosts.0.hostnames.0"),
        ({"dns_hosts": [{"ip": "10.9.2.5", "hostnames": [""]}]}, "dns_hosts.0.hostnames.0"),
        ({"domain": "a\ndhcp-script=/tmp/x"}, "domain"),
        ({"domain": "a\n"}, "domain"),
        ({"dns_txt": [{"name": "x", "value": "a\ndhcp-script=/tmp/x"}]}, "dns_txt.0.value"),
    ],
)
def test_nothing_adds_a_line(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        network_wish_from({"name": "lines", **options})

    assert [error.field for error in caught.value.errors] == [field]


def test_plain_ones_are_taken() -> None:
    hosts = [{"ip": "10.9.2.5", "hostnames": ["a_b.example", "x-1"]}]
    network_wish_from({"name": "lines", "dns_hosts": hosts, "domain": "", "dns_txt": [{"name": "x", "value": " a,b "}]})
