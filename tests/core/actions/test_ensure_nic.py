# SPDX-License-Identifier: GPL-3.0-or-later
"""Network cards of VMs on a real host: attached, changed, detached; while they are off, and while a guest uses them."""

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import power
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.chassis import look
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_nic import ensure_nic
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.machine_doers import DOERS as MACHINE_DOERS
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.nics import DOERS
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.perform import perform
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.nic import Nic, Rate
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    GuestTimeout,
    HostlerError,
    InvalidSpec,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.device_steps import ChangeNic, DefineNic, PlugNic
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan, Step
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volume_steps import GrowDisk
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_nic import (
    WantedBandwidth,
    WantedNic,
    WantedRate,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import OneMachine
from lab.host import Host
from tests.core.actions.guests import desired, made, wait_until
from tests.core.actions.in_guest import booted, said
from tests.core.actions.test_resize import defined
from tests.core.domain_xml.documents import FOREIGN, difference, uncounted
from tests.core.machines import GIB

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif("os.geteuid() != 0", reason="a plain user's lab has no networks"),
]

MAC = "52:54:00:ab:cd:ef"
FILTER = "hostler-tests"


def ensured(hypervisor: Hypervisor, name: str, **fields: Any) -> dict[str, Any]:
    """Plan it, do it, and see that both say the same and that it is not done again; what doing it answered."""
    which, wanted = OneMachine(name), WantedNic(**fields)
    planned = ensure_nic(hypervisor, which, wanted, check=True)
    answer = ensure_nic(hypervisor, which, wanted)
    for key in ("changed", "diff", "plan", "next_boot"):
        assert planned[key] == answer[key], key
    again = ensure_nic(hypervisor, which, wanted)
    assert (again["changed"], again["diff"], again["plan"]) == (False, {"before": {}, "after": {}}, [])
    return answer


def cards(hypervisor: Hypervisor, name: str) -> tuple[dict[str, Nic], dict[str, Nic]]:
    """Its cards as it is defined and as it runs, by address."""
    domain = hypervisor.find_domain_named(name)
    assert domain is not None
    chassis = look(hypervisor, domain)
    return (
        {nic.mac_address or "": nic for nic in chassis.defined_nics},
        {nic.mac_address or "": nic for nic in chassis.running_nics},
    )


@pytest.fixture
def rules(hypervisor: Hypervisor) -> Iterator[str]:
    """A network filter without rules: what any kernel can do."""
    made = hypervisor._connection.nwfilterDefineXML(f"<filter name='{FILTER}' chain='root'/>")
    yield FILTER
    for domain in hypervisor.domains():
        if domain.is_active():
            domain.destroy()  # libvirt keeps a filter that is in use
    made.undefine()


def test_a_card_comes_changes_and_goes_while_the_vm_is_off(hypervisor: Hypervisor, lab_host: Host, rules: str) -> None:
    vm = made(hypervisor, desired(lab_host, "cold-nic"))
    before = hypervisor.domain(vm.uuid).xml(inactive=True)

    answer = ensured(hypervisor, "cold-nic", alias="second")
    address = answer["nic"]["mac_address"]
    assert (answer["nic"]["source"], answer["nic"]["alias"], answer["nic"]["running"]) == ("default", "second", False)
    rates = WantedBandwidth(WantedRate(1000, 2000, 512), WantedRate(500))
    ensured(hypervisor, "cold-nic", alias="second", model="e1000e", link="down", filter=rules, bandwidth=rates)
    nic = cards(hypervisor, "cold-nic")[0][address]
    assert (nic.model, nic.link, nic.filter) == ("e1000e", "down", rules)
    assert (nic.inbound, nic.outbound) == (Rate(1000, 2000, 512), Rate(500))
    ensured(hypervisor, "cold-nic", alias="second", filter="", bandwidth=WantedBandwidth(WantedRate(0), WantedRate(0)))
    ensured(hypervisor, "cold-nic", mac_address=MAC.upper(), alias="third", model="rtl8139")
    ensured(hypervisor, "cold-nic", index=0, alias="first", link="down")
    assert cards(hypervisor, "cold-nic")[0][vm.mac_address or ""].alias == "first"
    power.start(hypervisor, vm.uuid)  # which sees whether QEMU takes it
    assert set(cards(hypervisor, "cold-nic")[1]) == {vm.mac_address, address, MAC}
    power.force_stop(hypervisor, vm.uuid)

    ensured(hypervisor, "cold-nic", alias="second", state="absent")
    ensured(hypervisor, "cold-nic", mac_address=MAC, state="absent")
    assert ensured(hypervisor, "cold-nic", alias="second")["nic"]["mac_address"] == address  # it comes back as it was
    ensured(hypervisor, "cold-nic", alias="second", state="absent")
    left = difference(uncounted(before), uncounted(hypervisor.domain(vm.uuid).xml(inactive=True)))
    assert {line.split()[1] for line in left} <= {
        "/domain/devices/interface/alias", "/domain/devices/interface/link", "/domain/devices/controller",
        "/domain/devices/controller/address", "/domain/devices/controller/model", "/domain/devices/controller/target",
    }, left  # fmt: skip


def test_a_vm_of_others_keeps_all_that_is_not_the_card(hypervisor: Hypervisor) -> None:
    domain = defined(hypervisor, FOREIGN["windows_spice"])
    before = domain.xml(inactive=True, secure=True)

    ensured(hypervisor, domain.name, alias="ours", model="e1000e")
    added = difference(before, domain.xml(inactive=True, secure=True))
    assert all(line.startswith("+ /domain/devices/") for line in added), added
    assert {line.split()[1].split("/")[3] for line in added} <= {"interface", "controller"}
    ensured(hypervisor, domain.name, alias="ours", state="absent")

    left = difference(before, domain.xml(inactive=True, secure=True))
    assert all(line.startswith("+ /domain/devices/controller") for line in left), left


def test_what_the_host_has_not_is_refused_before_anything_is_touched(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "no-nic"))
    before = hypervisor.domain(vm.uuid).xml(inactive=True)

    for fields, field in (
        ({"type": "bridge", "bridge_name": "nowhere"}, "bridge_name"),
        ({"type": "network", "network_name": "nowhere"}, "network_name"),
        ({"network": "nowhere"}, "type"),
        ({"filter": "nowhere"}, "filter"),
    ):
        for named in ({"alias": "new"}, {"index": 0, "type": "nat", **fields}):
            for check in (True, False):
                with pytest.raises(InvalidSpec, match="'nowhere' not found on this host") as caught:
                    ensure_nic(hypervisor, OneMachine("no-nic"), WantedNic(**{**fields, **named}), check=check)
                assert caught.value.field == field
    with pytest.raises(HostlerError) as missing:
        ensure_nic(hypervisor, OneMachine("nobody"), WantedNic(index=0))
    assert missing.value.field == "name"
    assert hypervisor.domain(vm.uuid).xml(inactive=True) == before


def test_a_step_that_fails_puts_back_what_those_before_it_did(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "nic-fails", "running"))
    xml = hypervisor.domain(vm.uuid).xml(inactive=True)
    (first,) = cards(hypervisor, "nic-fails")[1].values()
    changed = Nic(first.type, first.source, first.mac_address, first.model, link="down")

    def steps(*operations: Any) -> Plan:
        return Plan(tuple(Step(type(one).__name__, one) for one in operations))

    carry_out = partial(perform, hypervisor, doers={**MACHINE_DOERS, **DOERS})

    with pytest.raises(HostlerError, match="Failed to resize the disk"):
        carry_out(steps(
            ChangeNic(vm.uuid, changed, ("link",)), DefineNic(vm.uuid, Nic("network", "default", MAC, "virtio")),
            GrowDisk(vm.uuid, "/nowhere", GIB, live=True),
        ))  # fmt: skip
    assert cards(hypervisor, "nic-fails")[1] == {first.mac_address: first}
    assert difference(xml, hypervisor.domain(vm.uuid).xml(inactive=True)) == []

    with pytest.raises(HostlerError, match=f"Failed to plug card {MAC} into the VM"):
        carry_out(steps(PlugNic(vm.uuid, Nic("network", "nowhere", MAC, "virtio"))))
    assert difference(xml, hypervisor.domain(vm.uuid).xml(inactive=True)) == []


def test_cards_of_a_vm_that_runs_come_and_change(hypervisor: Hypervisor, lab_host: Host) -> None:
    """To let go of one takes a guest; the rest does not."""
    vm = made(hypervisor, desired(lab_host, "live-nic", "running"))
    bridge = re.findall("bridge='([^']+)'", hypervisor.domain(vm.uuid).xml())[0]

    answer = ensured(hypervisor, "live-nic", alias="second", link="down", live=True)
    assert (answer["next_boot"], answer["nic"]["running"], answer["nic"]["defined"]) == ([], True, True)
    ensured(hypervisor, "live-nic", alias="second", link="up", type="bridge", bridge_name=bridge, live=True)
    for side in cards(hypervisor, "live-nic"):
        nic = side[answer["nic"]["mac_address"]]
        assert (nic.type, nic.source, nic.link, nic.alias) == ("bridge", bridge, "up", "second")


@pytest.mark.slow
def test_a_card_that_the_guest_does_not_let_go_of_stays_on_both_sides(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "nic-deaf", "running"))
    before = cards(hypervisor, "nic-deaf")

    with pytest.raises(GuestTimeout, match="did not let go of card"):  # it has no system that could
        ensure_nic(
            hypervisor,
            OneMachine("nic-deaf"),
            WantedNic(state="absent", mac_address=vm.mac_address, live=True, timeout=0.0),
        )

    assert cards(hypervisor, "nic-deaf") == before


@pytest.mark.slow
def test_a_guest_uses_cards_that_come_change_and_go_while_it_runs(
    hypervisor: Hypervisor, lab_host: Host, rules: str
) -> None:
    vm = booted(hypervisor, lab_host, "hot-nic")
    hot = {"alias": "second", "live": True}

    def guest(command: str) -> str:
        return said(hypervisor, vm.uuid, command).strip()

    with pytest.raises(WrongState, match="unless that may be done live"):
        ensure_nic(hypervisor, OneMachine("hot-nic"), WantedNic(alias="second"))
    answer = ensured(hypervisor, "hot-nic", **hot)
    address = answer["nic"]["mac_address"]
    assert (answer["next_boot"], answer["nic"]["running"], answer["nic"]["defined"]) == ([], True, True)
    wait_until(lambda: address in guest("cat /sys/class/net/*/address"), "the guest has found the card")
    places = [re.findall(rf"<mac address='{address}'.*?(<address.*?>)", xml, re.DOTALL) for xml in (
        hypervisor.domain(vm.uuid).xml(), hypervisor.domain(vm.uuid).xml(inactive=True))]  # fmt: skip
    assert places[0] == places[1]
    assert len(places[0]) == 1

    device = guest(f"grep -l {address} /sys/class/net/*/address").split("/")[-2]
    guest(f"ip link set {device} up")
    wait_until(lambda: guest(f"cat /sys/class/net/{device}/carrier") == "1", "the cable is in")
    ensured(hypervisor, "hot-nic", **hot, link="down")
    wait_until(lambda: guest(f"cat /sys/class/net/{device}/carrier") == "0", "the cable is out")
    bridge = re.findall("bridge='([^']+)'", hypervisor.domain(vm.uuid).xml())[0]
    ensured(hypervisor, "hot-nic", **hot, type="bridge", bridge_name=bridge, filter=rules, link="up")
    for side in cards(hypervisor, "hot-nic"):
        assert (side[address].type, side[address].source, side[address].filter) == ("bridge", bridge, rules)
    waits = ensured(hypervisor, "hot-nic", **hot, model="e1000e")
    assert waits["next_boot"] == ["model"]
    late = ensured(hypervisor, "hot-nic", alias="late", model="rtl8139", live=True)
    assert (late["next_boot"], late["nic"]["running"]) == (["state"], False)
    first = ensured(hypervisor, "hot-nic", index=0, alias="first", live=True)
    assert first["next_boot"] == ["alias"]

    ensured(hypervisor, "hot-nic", **hot, state="absent")
    assert address not in guest("cat /sys/class/net/*/address")
    power.power_cycle(hypervisor, vm.uuid)  # which sees whether QEMU takes what was defined
    both = cards(hypervisor, "hot-nic")
    assert set(both[0]) == set(both[1])
    assert {nic.alias for nic in both[1].values()} == {"first", "late"}
