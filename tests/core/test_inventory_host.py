# SPDX-License-Identifier: GPL-3.0-or-later
"""The libvirt hosts of an inventory's configuration."""

from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.inventory_host import InventoryHost, inventory_hosts


def test_a_host_is_called_as_its_uri_says_unless_it_is_given_a_name() -> None:
    given = [
        "qemu+ssh://root@kvm1.example.com:2222/system?no_tty=1",
        {"uri": "qemu:///system"},
        {"uri": "qemu+tls://[2001:db8::1]/system", "name": "kvm3", "vars": {"ansible_user": "deploy"}},
        {"uri": "qemu+tcp://[half/system"},
    ]

    assert inventory_hosts([*given[:3]], None) == [
        InventoryHost("kvm1.example.com", "qemu+ssh://root@kvm1.example.com:2222/system?no_tty=1"),
        InventoryHost("local", "qemu:///system"),
        InventoryHost("kvm3", "qemu+tls://[2001:db8::1]/system", {"ansible_user": "deploy"}),
    ]
    assert inventory_hosts([given[3]], None)[0].name == "local"


def test_without_hosts_it_is_the_one_of_the_environment_and_without_that_libvirt_s_own() -> None:
    assert inventory_hosts(None, "qemu+tls://kvm1/system") == [InventoryHost("kvm1", "qemu+tls://kvm1/system")]
    assert inventory_hosts(None, None) == [InventoryHost("local", None)]
    assert inventory_hosts([], "qemu+tls://kvm1/system") == []


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ([3], "hypervisors.0"),
        ([""], "hypervisors.0.uri"),
        ([{"name": "kvm1"}], "hypervisors.0.uri"),
        (["test:///default", {"uri": 3}], "hypervisors.1.uri"),
        ([{"uri": "test:///default", "name": 3}], "hypervisors.0.name"),
        ([{"uri": "test:///default", "vars": ["a"]}], "hypervisors.0.vars"),
        ([{"uri": "test:///default", "user": "root"}], "hypervisors.0.user"),
        (["test:///default", "qemu:///system"], "hypervisors.1.name"),
    ],
)
def test_what_can_not_be_is_named(given: list[Any], field: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        inventory_hosts(given, None)

    assert [error.field for error in caught.value.errors] == [field]
