# SPDX-License-Identifier: GPL-3.0-or-later
"""What would be done to one network card: which it is, what can be done while the VM runs, and what is refused."""

import dataclasses
import re
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.nic import Nic, Rate
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError, InvalidSpec, WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.chassis import Chassis
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.device_steps import (
    ChangeNic,
    DefineNic,
    PlugNic,
    SetNic,
    UndefineNic,
    UnplugNic,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.nic import find_nic, plan_nic
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_nic import (
    WantedBandwidth,
    WantedNic,
    WantedRate,
    address_for,
    validate_nic,
)
from tests.core.machines import OTHER_UUID, UUID
from tests.core.plan import test_disk

FIRST = Nic("network", "default", "52:54:00:00:00:01", "virtio")
SECOND = Nic("bridge", "br0", "52:54:00:00:00:02", "virtio", alias="storage")


def chassis(defined: tuple[Nic, ...] | None = (FIRST,), running: tuple[Nic, ...] | None = None, **more: Any) -> Chassis:
    sides = [None if side is None else () for side in (defined, running)]
    cards = {"defined_nics": defined or (), "running_nics": running or ()}
    return test_disk.chassis(sides[0], sides[1], **cards, **more)


def planned(vm: Chassis, nat_network: str | None = "default", **fields: Any) -> Plan:
    wanted = validate_nic(WantedNic(**fields))
    return plan_nic(wanted, vm, find_nic(wanted, vm), nat_network)


def operations(plan: Plan) -> list[Any]:
    return [step.operation for step in plan.steps]


BOTH = chassis((FIRST, SECOND), (FIRST, SECOND))


@pytest.mark.parametrize(
    "fields",
    [
        {"mac_address": "52:54:00:00:00:02"},
        {"alias": "storage"},
        {"index": 1},
        {"index": 1, "alias": "storage"},
        {"mac_address": "52:54:00:00:00:02", "alias": "other"},
    ],
)
def test_a_card_is_found_by_what_is_said_of_it(fields: dict[str, Any]) -> None:
    assert find_nic(WantedNic(**fields), BOTH) == (SECOND, SECOND)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"index": 2}, "index"),
        ({"index": 0, "alias": "storage"}, "alias"),
        ({"mac_address": "52:54:00:00:00:09", "alias": "storage"}, "alias"),
    ],
)
def test_what_is_true_of_no_card_is_refused(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        planned(BOTH, live=True, **fields)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "mac_address"),
        ({"mac_address": "52:54:00"}, "mac_address"),
        ({"mac_address": "01:00:5e:00:00:01"}, "mac_address"),
        ({"mac_address": "fe:54:00:00:00:01"}, "mac_address"),
        ({"alias": "two words"}, "alias"),
        ({"index": -1}, "index"),
        ({"index": 0, "mac_address": "52:54:00:00:00:01"}, "index"),
        ({"index": 0, "state": "absent"}, "index"),
        ({"alias": "a", "type": "bridge"}, "bridge_name"),
        ({"alias": "a", "type": "network"}, "network_name"),
        ({"alias": "a", "bridge_name": "br0"}, "bridge_name"),
        ({"alias": "a", "type": "bridge", "bridge_name": "../x"}, "bridge_name"),
        ({"alias": "a", "type": "user"}, "type"),
        ({"alias": "a", "filter": "a/b"}, "filter"),
        ({"alias": "a", "bandwidth": WantedBandwidth(inbound=WantedRate(average=-1))}, "bandwidth.inbound.average"),
        ({"alias": "a", "bandwidth": WantedBandwidth(outbound=WantedRate(peak=1))}, "bandwidth.outbound.average"),
        ({"alias": "a", "timeout": -1.0}, "timeout"),
    ],
)
def test_what_can_not_be_is_refused_by_its_field(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        planned(chassis(), **fields)
    assert caught.value.field == field


def test_a_new_card_gets_the_same_address_each_time() -> None:
    address = address_for(UUID, "storage", ())

    assert re.fullmatch("52:54:00(:[0-9a-f]{2}){3}", address)
    assert address_for(UUID, "storage", ()) == address
    assert len({address_for(UUID, "other", ()), address_for(OTHER_UUID, "storage", ()), address}) == 3
    assert address_for(UUID, "storage", (address,)) not in ("", address)
    assert operations(planned(chassis(), alias="storage"))[0].nic.mac_address == address


def test_a_new_card_is_plugged_in_first_and_then_defined() -> None:
    fields = {"mac_address": "52:54:00:AB:CD:EF", "type": "bridge", "bridge_name": "br1", "link": "down", "live": True}
    nic = Nic("bridge", "br1", "52:54:00:ab:cd:ef", "virtio", link="down")

    plan = planned(chassis(running=(FIRST,)), **fields)

    assert operations(plan) == [PlugNic(UUID, nic), DefineNic(UUID, nic)]
    assert plan.after == {
        "state": "present", "mac_address": "52:54:00:ab:cd:ef", "type": "bridge", "source": "br1", "model": "virtio",
        "link": "down",
    }  # fmt: skip
    assert operations(planned(chassis(), **fields)) == [DefineNic(UUID, nic)]
    assert operations(planned(chassis(), None, alias="a"))[0].nic.type == "user"  # a host without networks


@pytest.mark.parametrize(
    ("fields", "room", "reason"),
    [({}, {"ports": 0}, "no PCIe port is free"), ({"model": "rtl8139"}, {}, "needs a PCI slot")],
)
def test_one_that_can_not_be_plugged_in_waits_for_the_next_boot(
    fields: dict[str, Any], room: dict[str, Any], reason: str
) -> None:
    plan = planned(chassis(running=(FIRST,), **room), alias="new", live=True, **fields)

    assert [step.applies.value for step in plan.steps] == ["next_boot"]
    assert (plan.next_boot, reason in plan.steps[0].title) == (["state"], True)
    with pytest.raises(WrongState, match=f"{reason}.*and the VM is transient"):
        planned(chassis(None, (FIRST,), **room), alias="new", live=True, **fields)
    assert planned(chassis((FIRST, SECOND), (FIRST,), **room), alias="storage", live=True, **fields).changed is bool(
        fields
    )


def test_a_card_that_is_as_it_is_wanted_needs_nothing() -> None:
    as_it_is = {"type": "bridge", "bridge_name": "br0", "model": "virtio", "link": "up", "filter": ""}

    assert planned(BOTH, alias="storage", **as_it_is) == Plan()
    assert planned(BOTH, alias="storage") == Plan()
    assert planned(BOTH, mac_address=FIRST.mac_address, type="nat") == Plan()


def test_what_can_be_changed_live_is_and_the_rest_waits() -> None:
    rates = WantedBandwidth(inbound=WantedRate(average=100))
    plan = planned(
        BOTH, alias="storage", type="network", network_name="lan", link="down", filter="f", bandwidth=rates,
        model="e1000e", live=True,
    )  # fmt: skip

    nic = dataclasses.replace(
        SECOND, type="network", source="lan", link="down", filter="f", inbound=Rate(100), model="e1000e"
    )
    live = ("connection", "link", "filter", "inbound")
    assert operations(plan) == [ChangeNic(UUID, nic, live), SetNic(UUID, nic, live), SetNic(UUID, nic, ("model",))]
    assert plan.next_boot == ["model"]
    assert plan.before == {
        "type": "bridge",
        "source": "br0",
        "model": "virtio",
        "link": "up",
        "filter": None,
        "bandwidth": {},
    }
    assert plan.after["bandwidth"] == {"inbound": {"average": 100}}
    to_nat = planned(BOTH, None, alias="storage", type="nat", live=True)
    assert to_nat.next_boot == ["type"]  # QEMU's own is another kind of device


def test_limits_are_changed_one_by_one_and_taken_away() -> None:
    limited = dataclasses.replace(SECOND, inbound=Rate(10, 20, 30))
    vm = chassis((limited,))

    def inbound(**figures: int) -> Rate:
        (operation,) = operations(
            planned(vm, alias="storage", bandwidth=WantedBandwidth(inbound=WantedRate(**figures)))
        )
        rate: Rate = operation.nic.inbound
        return rate

    assert inbound(average=11) == Rate(11, 20, 30)
    assert inbound(peak=0) == Rate(10, 0, 30)
    assert inbound(average=0) == Rate()
    with pytest.raises(InvalidSpec, match="required for a peak"):
        inbound(average=0, peak=5)


def test_the_two_sides_are_brought_together() -> None:
    plug = planned(chassis((FIRST, SECOND), (FIRST,)), alias="storage", live=True)
    assert operations(plug) == [PlugNic(UUID, SECOND)]
    define = planned(chassis((FIRST,), (FIRST, SECOND)), alias="storage", live=True)
    assert operations(define) == [DefineNic(UUID, SECOND)]
    down = dataclasses.replace(SECOND, link="down")
    behind = planned(chassis((FIRST, down), (FIRST, SECOND)), alias="storage", link="down", live=True)
    assert operations(behind) == [ChangeNic(UUID, down, ("link",))]
    assert (behind.before, behind.after) == ({"link": "up"}, {"link": "down"})


def test_an_existing_card_is_given_an_alias_and_keeps_its_address() -> None:
    plan = planned(chassis(), index=0, alias="first")

    assert operations(plan) == [SetNic(UUID, dataclasses.replace(FIRST, alias="first"), ("alias",))]


def test_a_card_that_is_a_device_of_the_host_is_not_plugged_elsewhere() -> None:
    passed = Nic("hostdev", None, "52:54:00:00:00:03")

    with pytest.raises(InvalidSpec, match="left to whoever made it") as caught:
        planned(chassis((passed,)), index=0, type="nat")
    assert caught.value.field == "type"
    assert planned(chassis((passed,)), index=0, link="down").changed


def test_a_card_is_unplugged_before_it_is_taken_out() -> None:
    plan = planned(BOTH, alias="storage", state="absent", live=True, timeout=7.0)

    assert operations(plan) == [
        UnplugNic(UUID, SECOND.mac_address or "", 7.0),
        UndefineNic(UUID, SECOND.mac_address or ""),
    ]
    assert planned(BOTH, alias="nobody", state="absent") == Plan()
    assert plan.before == {"state": "present", "mac_address": SECOND.mac_address, "alias": "storage"}
    with pytest.raises(HostlerError, match="VM is paused: its guest can't let go of card"):
        planned(dataclasses.replace(BOTH, status="paused"), alias="storage", state="absent", live=True)


def test_a_vm_that_must_not_be_changed_now_says_why() -> None:
    for fields in ({"link": "down"}, {"state": "absent"}):
        with pytest.raises(WrongState, match="unless that may be done live"):
            planned(BOTH, alias="storage", **fields)
        with pytest.raises(WrongState, match="VM is saved"):
            planned(chassis((SECOND,), status="saved"), alias="storage", **fields)
    with pytest.raises(WrongState, match="transient"):
        planned(chassis(None, (SECOND,)), alias="storage", model="e1000e", live=True)
