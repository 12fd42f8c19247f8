# SPDX-License-Identifier: GPL-3.0-or-later
"""The VMs of a host as an inventory has them."""

from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.inventory import (
    Listing,
    list_vms,
    validate_listing,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.address_wish import AddressWish
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import Selection
from lab.host import Host
from tests.core.actions.guests import desired, made, wait_until


def names(hypervisor: Hypervisor, **listing: Any) -> list[str]:
    return [vm["name"] for vm in list_vms(hypervisor, Listing(**listing))]


@pytest.mark.lab
def test_vms_are_listed_by_pattern_state_and_tags_with_what_they_are(hypervisor: Hypervisor, lab_host: Host) -> None:
    made(hypervisor, desired(lab_host, "listed-a", tags=["web", "prod"], description="{{ 1 }}", metadata={"rack": "7"}))
    made(hypervisor, desired(lab_host, "listed-b", tags=["web"]))
    made(hypervisor, desired(lab_host, "listed-c", "running"))
    pattern = Selection(pattern=("listed-*",))

    assert names(hypervisor, selection=pattern) == ["listed-a", "listed-b", "listed-c"]
    assert names(hypervisor, selection=pattern, tags=("web",)) == ["listed-a", "listed-b"]
    assert names(hypervisor, selection=pattern, tags=("web", "prod")) == ["listed-a"]
    assert names(hypervisor, selection=pattern, statuses=("running", "paused")) == ["listed-c"]
    assert names(hypervisor, selection=Selection(name=("listed-b", "nobody"))) == ["listed-b"]
    (vm,) = list_vms(hypervisor, Listing(selection=Selection(name=("listed-a",))))
    assert (vm["status"], vm["persistent"], vm["ip_address"], vm["managed"]) == ("stopped", True, None, True)
    assert (vm["tags"], vm["description"], vm["metadata"]) == (["web", "prod"], "{{ 1 }}", {"rack": "7"})
    assert not {"disks", "graphics"} & set(vm)


def test_sources_of_addresses_are_asked_in_their_order(test_driver: Hypervisor) -> None:
    """libvirt's test driver tells an address of its one running VM, as if by each source."""
    wishes = {"lease": ("lease", "arp"), "arp": ("arp",), "nobody": ()}
    found = {
        name: list_vms(test_driver, Listing(addresses=AddressWish(sources=sources)))[0]["ip_source"]
        for name, sources in wishes.items()
    }

    assert found == {"lease": "arp", "arp": "arp", "nobody": None}  # it has no leases


@pytest.mark.lab
@pytest.mark.slow
def test_a_guest_is_reached_by_its_lease_or_where_that_will_not_do_by_its_agent(
    hypervisor: Hypervisor, lab_host: Host
) -> None:
    if lab_host.network is None:
        pytest.skip("a user's host has no network")
    made(hypervisor, desired(lab_host, "reached", "running", image="tiny.qcow2"))
    chosen = Selection(name=("reached",))

    def source(*sources: str) -> str | None:
        (vm,) = list_vms(hypervisor, Listing(selection=chosen, addresses=AddressWish(sources=sources)))
        found: str | None = vm["ip_source"]
        return found

    wait_until(lambda: source("agent") == "agent", "the agent tells an address")
    wait_until(lambda: source("lease", "agent") == "lease", "it has a lease")
    # an agent that is not there any more keeps nobody waiting
    lab_host.virsh("suspend", "reached")
    assert (source("agent"), source("agent", "lease")) == (None, "lease")


@pytest.mark.parametrize(
    ("listing", "field"),
    [
        (Listing(selection=Selection(uuid=("x",))), "uuid.0"),
        (Listing(addresses=AddressWish(families=("x",))), "address_families.0"),
    ],
)
def test_what_can_not_be_is_named(listing: Listing, field: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        validate_listing(listing)

    assert caught.value.field == field
