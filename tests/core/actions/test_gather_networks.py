# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of networks: all that was asked, of those that are there, and who is on them."""

import os

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_network import ensure_network
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.gather_networks import (
    NetworkInquiry,
    gather_networks,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import Selection
from lab.host import Host
from tests.core.actions.guests import desired, made, wait_until
from tests.core.networks import further_network


def test_the_test_driver_s_network_is_told_of(test_driver: Hypervisor) -> None:
    (found,) = gather_networks(test_driver, NetworkInquiry(Selection()))

    assert (found["exists"], found["name"], found["state"]) == (True, "default", "active")
    assert found["addresses"] == ["192.168.122.1/24"]
    assert found["leases"] == []
    (user,) = found["users"]
    assert (user["vm"], user["running"], user["connected"]) == ("test", True, False)


def test_only_what_is_asked_for_is_told(test_driver: Hypervisor) -> None:
    (found,) = gather_networks(test_driver, NetworkInquiry(Selection(pattern=("def*",)), ()))

    assert set(found) == {"exists", "name", "uuid", "state", "autostart", "persistent"}
    assert "leases" in gather_networks(test_driver, NetworkInquiry(Selection(), ("leases",)))[0]


def test_one_that_is_not_there_says_so(test_driver: Hypervisor) -> None:
    uuid = "00000000-0000-0000-0000-000000000001"

    assert gather_networks(test_driver, NetworkInquiry(Selection(name=("nobody",), uuid=(uuid,)))) == [
        {"exists": False, "name": "nobody"},
        {"exists": False, "uuid": uuid},
    ]


def test_what_no_network_can_be_called_is_refused(test_driver: Hypervisor) -> None:
    with pytest.raises(InvalidSpec) as caught:
        gather_networks(test_driver, NetworkInquiry(Selection(uuid=("x",))))

    assert caught.value.field == "uuid.0"


def test_impatience_without_bounds_is_refused(test_driver: Hypervisor) -> None:
    with pytest.raises(InvalidSpec) as caught:
        gather_networks(test_driver, NetworkInquiry(timeout=0))

    assert caught.value.field == "timeout"


@pytest.mark.lab
@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="a user's hosts have no network")
def test_a_guest_gets_the_address_that_is_kept_for_it_and_is_told_of(hypervisor: Hypervisor, lab_host: Host) -> None:
    mac, other = "52:54:00:57:01:01", "52:54:00:57:01:02"
    card = {"type": "network", "network_name": "further"}
    with further_network(lab_host) as further:
        ensure_network(hypervisor, further.nat(state="active"))
        kept = {"mac": mac, "name": "kept", "ip": f"{further.prefix}.7"}
        ensure_network(hypervisor, {"name": further.name, "dhcp_hosts": [kept]})
        made(hypervisor, desired(lab_host, "off", network_config={**card, "mac_address": other}))
        image = {"image": "tiny.qcow2", "image_mode": "backing"}
        made(
            hypervisor,
            desired(lab_host, "leased", state="running", network_config={**card, "mac_address": mac}, **image),
        )

        def leased() -> bool:
            (found,) = gather_networks(hypervisor, NetworkInquiry(Selection(name=(further.name,)), ("leases",)))
            return bool(found["leases"])

        wait_until(leased, "a lease")
        (found,) = gather_networks(hypervisor, NetworkInquiry(Selection(name=(further.name,))))

    (lease,) = found["leases"]
    assert (lease["ip"], lease["prefix"], lease["mac"]) == (f"{further.prefix}.7", 24, mac)
    assert {(user["vm"], user["mac_address"], user["running"], user["connected"]) for user in found["users"]} == {
        ("leased", mac, True, True),
        ("off", other, False, False),
    }
