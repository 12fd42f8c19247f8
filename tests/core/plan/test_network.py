# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a network: what is defined, what reaches it now, what waits, and whom it may not cut off."""

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec, WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.network_xml.edit import Edit, with_options
from ansible_collections.hostler.libvirt.plugins.module_utils.network_xml.given import (
    given_network,
    marked,
    network_fingerprint,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.network import NetworkPlan, plan_network
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.network_steps import (
    DefineNetwork,
    SetNetworkAutostart,
    StartNetwork,
    StopNetwork,
    UndefineNetwork,
    UpdateNetwork,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.network_wish import (
    ObservedNetwork,
    network_wish_from,
)
from tests.core.networks import MACVTAP, NAT

OFF = ObservedNetwork("internal", "7da35a2f-2de2-4e85-b528-4bf6b220953d", True, False, NAT)
RUNS = replace(OFF, running=NAT)
USED = replace(RUNS, users=("db-1", "web-1"))
DIRECT = replace(OFF, name="direct", xml=MACVTAP.replace(" connections='1'", ""), running=MACVTAP)
HOST = {"ip": "10.99.1.31", "mac": "52:54:00:00:00:02"}


def planned(observed: ObservedNetwork | None, xml: str | None = None, **wanted: Any) -> NetworkPlan:
    """The plan for what is wanted."""
    name = "internal" if observed is None else observed.name
    wish = network_wish_from({"name": name, "xml": xml, **wanted})
    return plan_network(observed, wish, None if xml is None else given_network(xml))


def steps(found: NetworkPlan) -> list[tuple[type, str]]:
    """Each operation's class, and when it applies."""
    return [(type(step.operation), step.applies.value) for step in found.plan.steps]


def test_a_network_that_is_as_it_should_be_needs_nothing() -> None:
    assert planned(RUNS, mtu=0, domain="internal.test", addresses=["10.99.1.1/24"], state="active") == NetworkPlan()
    assert planned(None, state="absent") == NetworkPlan()


def test_a_new_one_is_defined_marked_for_autostart_and_started() -> None:
    found = planned(None, state="active", autostart=True, addresses=["10.9.0.1/24"])

    assert steps(found) == [(DefineNetwork, "now"), (SetNetworkAutostart, "now"), (StartNetwork, "now")]
    assert found.plan.before == {}
    assert found.plan.after["addresses"] == ["10.9.0.1/24"]
    assert (found.plan.after["state"], found.plan.after["autostart"]) == ("active", True)


def test_one_that_is_off_is_only_defined_anew() -> None:
    found = planned(OFF, mtu=1400, dhcp_hosts=[HOST])

    assert steps(found) == [(DefineNetwork, "now")]
    assert found.next_start == ()
    assert found.plan.before["mtu"] is None
    assert found.plan.after["mtu"] == 1400


def test_what_can_reach_one_that_runs_does_and_the_rest_waits() -> None:
    found = planned(RUNS, mtu=1400, dhcp_hosts=[HOST])

    assert steps(found) == [(DefineNetwork, "next_start"), (UpdateNetwork, "now")]
    assert found.next_start == ("mtu",)
    assert "running" not in found.plan.before


def test_what_waits_is_said_again_without_a_change() -> None:
    found = planned(replace(RUNS, xml=with_options(NAT, Edit({"mtu": 1400})).xml), mtu=1400)

    assert not found.plan.changed
    assert found.next_start == ("mtu",)


def test_what_runs_gets_what_is_defined_already() -> None:
    defined = with_options(NAT, Edit({"dhcp_hosts": [HOST]})).xml

    found = planned(replace(RUNS, xml=defined), dhcp_hosts=[HOST])

    assert steps(found) == [(UpdateNetwork, "now")]
    assert len(found.plan.before["running"]["dhcp_hosts"]) == 1
    assert len(found.plan.after["running"]["dhcp_hosts"]) == 2


def test_dhcp_in_a_subnet_that_comes_with_the_next_start_waits_with_it() -> None:
    bare = replace(RUNS, xml=NAT.replace("<ip family='ipv6' address='fd00:99::1' prefix='64'/>", ""))
    bare = replace(bare, running=bare.xml)

    found = planned(
        bare, addresses=["fd00:98::1/64"], dhcp_ranges=[{"start": "fd00:98::10", "end": "fd00:98::20"}], dns_txt=[]
    )

    assert steps(found) == [(DefineNetwork, "next_start")]
    assert set(found.next_start) == {"addresses", "dhcp_ranges"}


def test_what_has_a_place_now_does_not_wait_for_what_has_none_yet() -> None:
    bare = NAT.replace("<ip family='ipv6' address='fd00:99::1' prefix='64'/>", "")
    late = {"ip": "fd00:98::5", "name": "late"}

    found = planned(replace(OFF, xml=bare, running=bare), addresses=["fd00:98::1/64"], dhcp_hosts=[HOST, late])

    assert steps(found) == [(DefineNetwork, "next_start"), (UpdateNetwork, "now")]
    assert set(found.next_start) == {"addresses", "dhcp_hosts"}


def test_what_belongs_to_another_mode_waits_with_it() -> None:
    found = planned(
        DIRECT,
        forward={"mode": "nat"},
        interfaces=[],
        interfaces_exclusive=True,
        addresses=["10.9.0.1/24"],
        dns_txt=[{"name": "a", "value": "b"}],
        dhcp_ranges=[{"start": "10.9.0.2", "end": "10.9.0.9"}],
    )

    assert steps(found) == [(DefineNetwork, "next_start")]
    assert set(found.next_start) == {"forward", "interfaces", "addresses", "dns_txt", "dhcp_ranges"}


def test_the_interfaces_of_a_network_of_the_host_s_own_change_at_once() -> None:
    found = planned(DIRECT, interfaces=["eth1"])

    assert steps(found) == [(DefineNetwork, "now"), (UpdateNetwork, "now")]
    assert found.next_start == ()


def test_a_restart_brings_what_waits() -> None:
    found = planned(RUNS, mtu=1400, restart=True)

    assert steps(found) == [(StopNetwork, "now"), (DefineNetwork, "now"), (StartNetwork, "now")]
    assert found.next_start == ()


def test_a_restart_that_nothing_waits_for_is_none() -> None:
    assert steps(planned(RUNS, dhcp_hosts=[HOST], restart=True)) == [(DefineNetwork, "now"), (UpdateNetwork, "now")]
    assert planned(RUNS, restart=True) == NetworkPlan()
    assert steps(planned(OFF, mtu=1400, restart=True)) == [(DefineNetwork, "now")]


@pytest.mark.parametrize(
    ("wanted", "field"),
    [({"mtu": 1400, "restart": True}, "restart"), ({"state": "inactive"}, "force"), ({"state": "absent"}, "force")],
)
def test_vms_that_are_on_it_are_not_cut_off_and_named(wanted: dict[str, Any], field: str) -> None:
    with pytest.raises(WrongState, match="VMs 'db-1', 'web-1' have cards on it") as caught:
        planned(USED, **wanted)

    assert caught.value.field == field


def test_they_are_if_that_is_forced() -> None:
    assert steps(planned(USED, state="inactive", force=True)) == [(StopNetwork, "now")]
    assert steps(planned(USED, state="absent", force=True)) == [(StopNetwork, "now"), (UndefineNetwork, "now")]


def test_vms_that_are_on_it_do_not_keep_it_from_what_touches_none() -> None:
    assert steps(planned(USED, dhcp_hosts=[HOST], mtu=1400))[0] == (DefineNetwork, "next_start")


def test_one_that_is_stopped_has_nothing_that_waits() -> None:
    found = planned(RUNS, mtu=1400, state="inactive")

    assert steps(found) == [(DefineNetwork, "now"), (StopNetwork, "now")]
    assert found.next_start == ()


def test_a_transient_one_is_kept_unless_it_is_to_go() -> None:
    transient = replace(RUNS, persistent=False)

    assert steps(planned(transient)) == [(DefineNetwork, "now")]
    assert planned(transient).plan.after["persistent"] is True
    assert steps(planned(transient, state="absent")) == [(StopNetwork, "now")]


def test_autostart_alone_is_one_step() -> None:
    found = planned(RUNS, autostart=True)

    assert steps(found) == [(SetNetworkAutostart, "now")]
    assert (found.plan.before, found.plan.after) == ({"autostart": False}, {"autostart": True})


def test_xml_is_defined_and_waits_for_the_next_start() -> None:
    found = planned(RUNS, xml="<network><name>internal</name><ip address='10.9.0.1' prefix='24'/></network>")

    assert steps(found) == [(DefineNetwork, "next_start")]
    assert found.next_start == ("xml",)
    assert "br-int" in found.plan.after["xml"]


def test_xml_that_it_was_made_of_needs_nothing() -> None:
    given = given_network("<network><name>internal</name></network>")
    defined = marked(NAT, given.fingerprint, network_fingerprint(NAT))

    assert planned(replace(RUNS, xml=defined), xml=given.xml) == NetworkPlan()


def test_xml_with_another_uuid_is_another_network() -> None:
    text = "<network><name>internal</name><uuid>00000000-0000-0000-0000-000000000001</uuid></network>"

    with pytest.raises(InvalidSpec, match="has another <uuid>"):
        planned(OFF, xml=text)


def test_what_can_t_be_is_refused_before_anything_is_planned() -> None:
    with pytest.raises(InvalidSpec) as caught:
        planned(RUNS, dhcp_hosts=[{"ip": "10.1.1.1", "name": "b"}])

    assert caught.value.field == "dhcp_hosts.0.ip"
