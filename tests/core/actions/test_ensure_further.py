# SPDX-License-Identifier: GPL-3.0-or-later
"""The lists of further disks and cards of a VM that is there, on a real host: foretold, done once, and not again."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure import ensure
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_disk import ensure_disk
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    InvalidSpec,
    Protected,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.desired import Desired
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import Placement
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_disk import WantedDisk
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import OneMachine
from lab.host import Host
from tests.core.actions import in_guest
from tests.core.actions.guests import desired, everything_on, made, named
from tests.core.domain_xml.documents import difference, uncounted
from tests.core.machines import MIB

pytestmark = pytest.mark.lab

SMALL_DISK = {"size_gb": 0.125}


def said(answer: Mapping[str, Any]) -> dict[str, Any]:
    """What check mode and a run have to agree on."""
    return {key: answer.get(key) for key in ("changed", "diff", "plan", "next_boot", "deleted_disks")}


def brought(hypervisor: Hypervisor, name: str, **wanted: Any) -> dict[str, Any]:
    """What a change answers that check mode foretells and a second run finds done; ``wanted`` is as Ansible has it."""
    one = wish(name, **wanted)
    foretold = ensure(hypervisor, one, check=True)
    done = ensure(hypervisor, one)
    assert said(done) == said(foretold)
    again = ensure(hypervisor, dataclasses.replace(one, state="present") if one.state == "restarted" else one)
    assert (again["changed"], again["plan"], again["diff"]) == (False, [], {"before": {}, "after": {}})
    return done


def wish(name: str, **wanted: Any) -> Desired:
    """Of an existing VM; what is no field of a spec is the wish's own."""
    own = {field.name for field in dataclasses.fields(Desired)}
    spec = {key: value for key, value in wanted.items() if key not in own}
    return Desired(
        {"name": name, **spec},
        create=False,
        placement=Placement(image_pool="images"),
        **{key: value for key, value in wanted.items() if key in own},
    )


def disks_of(hypervisor: Hypervisor, name: str) -> list[tuple[str, int | None]]:
    return [(disk.target, None if disk.size is None else disk.size // MIB) for disk in named(hypervisor, name).disks]


def test_disks_of_a_vm_that_is_off_are_made_grown_refused_and_taken_away(
    hypervisor: Hypervisor, lab_host: Host
) -> None:
    mixed = [{"size_gb": 0.125, "bus": "scsi"}, {"size_gb": 0.25, "image": "tiny.qcow2", "image_mode": "backing"}]
    mixed[1]["size_gb"] = 1
    vm = made(hypervisor, desired(lab_host, "further", disks=mixed))
    xml = hypervisor.domain(vm.uuid).xml(inactive=True)
    assert ensure(hypervisor, wish("further", disks=mixed))["changed"] is False  # whatever libvirt made of their order

    more = [*mixed, {"size_gb": 0.125, "bus": "sata"}, {"size_gb": 0.0625}, {"size_gb": 0.0625}]
    more[0] = {"size_gb": 0.1875, "bus": "scsi"}
    answer = brought(hypervisor, "further", disks=more)
    assert disks_of(hypervisor, "further") == [
        ("vda", 128), ("vdb", 1024), ("vdc", 64), ("vdd", 64), ("sda", 192), ("sdb", 128),
    ]  # fmt: skip
    assert answer["diff"]["before"]["disks"]["sda"] == {"size_gb": 0.125}
    assert answer["diff"]["after"]["disks"]["vdc"]["bus"] == "virtio"
    assert answer["next_boot"] == []
    now = uncounted(hypervisor.domain(vm.uuid).xml(inactive=True))
    assert [line for line in difference(xml, now) if line[0] == "-"] == []

    before = everything_on(hypervisor)
    refusals: list[tuple[list[dict[str, Any]], str, str]] = [
        ([{"size_gb": 0.0625, "bus": "scsi"}], "disks.0.size_gb", "can't shrink"),
        ([*more, {"size_gb": 1, "image": "nowhere"}], "disks.5.image", "'nowhere' not found"),
        ([*more, {"size_gb": 0.01, "image": "tiny.qcow2"}], "disks.5.size_gb", "is smaller than image"),
        ([*more, {"size_gb": 65536}], "disks.5.size_gb", "GiB in all"),
        (
            [more[0], mixed[1], {"size_gb": 0.0625, "image": "tiny.qcow2", "image_mode": "backing"}],
            "disks.2.image",
            "of disk vdc is another, or none",
        ),
        ([{"size_gb": 1, "bus": "sata"}, {"size_gb": 1, "bus": "sata"}], "disks.1.bus", "of disk vdb is virtio"),
        ([{"size_gb": 0}], "disks.0.size_gb", "must be more than 0"),
        ([{"bus": "scsi"}], "disks.0.size_gb", "is required"),
    ]
    for disks, field, message in refusals:
        for check in (True, False):
            with pytest.raises(HostlerError, match=message) as caught:
                ensure(hypervisor, wish("further", disks=disks), check=check)
            assert caught.value.field == field, disks
    assert everything_on(hypervisor) == before

    # those beyond the list stay, until it is to be complete
    assert ensure(hypervisor, wish("further", disks=more[:1]))["changed"] is False
    kept = [{"size_gb": 0.1875, "bus": "scsi"}, {"size_gb": 1}]
    answer = brought(hypervisor, "further", disks=kept, disks_exclusive=True)
    assert disks_of(hypervisor, "further") == [("vda", 128), ("vdb", 1024), ("sda", 192)]
    assert everything_on(hypervisor) == before  # a detached disk's volume stays
    assert answer["diff"]["after"]["disks"] == {target: {"state": "absent"} for target in ("vdc", "vdd", "sdb")}
    # and what is made next takes no detached disk's name
    brought(hypervisor, "further", disks=[*kept, {"size_gb": 0.01}])
    assert len(everything_on(hypervisor)[1]) == len(before[1]) + 1

    ensure(hypervisor, wish("further", protected=True))
    with pytest.raises(Protected) as refused:
        ensure(hypervisor, wish("further", disks=[], disks_exclusive=True, delete_detached_disks=True))
    assert refused.value.field == "delete_detached_disks"
    ensure(hypervisor, wish("further", protected=False))
    paths = [disk.path for disk in named(hypervisor, "further").disks[1:]]
    answer = brought(hypervisor, "further", disks=[], disks_exclusive=True)
    ensure_disk(hypervisor, OneMachine("further"), WantedDisk(path=paths[0], format="qcow2"))
    answer = ensure(hypervisor, wish("further", disks=[], disks_exclusive=True, delete_detached_disks=True))
    assert answer["deleted_disks"] == [paths[0]]
    assert not Path(paths[0] or "").exists()
    assert disks_of(hypervisor, "further") == [("vda", 128)]


def test_cards_of_a_vm_that_is_off_are_made_moved_refused_and_taken_away(
    hypervisor: Hypervisor, lab_host: Host
) -> None:
    vm = made(hypervisor, desired(lab_host, "cards"))
    first = vm.mac_address
    fixed = {"mac_address": "52:54:00:AA:BB:01", "type": "nat", "model": "e1000e"}

    brought(hypervisor, "cards", nics=[{"type": "nat"}, fixed])
    cards = named(hypervisor, "cards").definition.interfaces
    assert [card.model for card in cards] == ["virtio", "virtio", "e1000e"]
    assert (cards[0].mac_address, cards[2].mac_address) == (first, "52:54:00:aa:bb:01")

    # another order of the same is no change, and another model is one
    assert ensure(hypervisor, wish("cards", nics=[fixed]))["changed"] is False
    answer = brought(hypervisor, "cards", nics=[{"type": "nat", "model": "rtl8139"}, fixed])
    assert answer["diff"]["after"]["nics"] == {cards[1].mac_address: {"model": "rtl8139"}}

    for nics, field, message in (
        ([{"type": "bridge", "bridge_name": "nowhere"}], "nics.0.bridge_name", "bridge 'nowhere' not found"),
        ([{"type": "network", "network_name": "nowhere"}], "nics.0.network_name", "network 'nowhere' not found"),
        ([{"mac_address": "52:54:00:aa:bb:02"}], "nics.0.mac_address", "is not that of the VM's card there"),
        ([{"type": "none"}], "nics.0.type", "is no further card"),
        ([{"type": "bridge"}], "nics.0.bridge_name", "is required for type bridge"),
        ([fixed, fixed], "nics.1.mac_address", "another card of this VM"),
    ):
        with pytest.raises(InvalidSpec, match=message) as caught:
            ensure(hypervisor, wish("cards", nics=nics))
        assert caught.value.field == field

    brought(hypervisor, "cards", nics=[fixed], nics_exclusive=True)
    assert [card.mac_address for card in named(hypervisor, "cards").definition.interfaces] == [
        first,
        "52:54:00:aa:bb:01",
    ]
    # without a first card all are the list's
    brought(hypervisor, "cards", nics=[fixed], nics_exclusive=True, network_config={"type": "none"})
    assert [card.mac_address for card in named(hypervisor, "cards").definition.interfaces] == ["52:54:00:aa:bb:01"]
    assert brought(hypervisor, "cards", nics=[], nics_exclusive=True, network_config={"type": "none"})["changed"]
    with pytest.raises(InvalidSpec, match="nics: come after the first card, and the VM has none"):
        ensure(hypervisor, wish("cards", nics=[{}]))
    brought(hypervisor, "cards", network_config={"type": "nat"}, nics=[{}])
    assert len(named(hypervisor, "cards").definition.interfaces) == 2


@pytest.mark.slow
def test_a_guest_gets_and_loses_disks_and_cards_while_it_runs(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = in_guest.booted(hypervisor, lab_host, "hot-lists")

    def guest(command: str) -> str:
        return in_guest.said(hypervisor, vm.uuid, command)

    with pytest.raises(WrongState, match="unless that may be done live"):
        ensure(hypervisor, wish("hot-lists", disks=[SMALL_DISK]))
    lists = {"disks": [SMALL_DISK, SMALL_DISK, {"size_gb": 0.125, "bus": "scsi"}], "nics": [{}, {}]}
    assert brought(hypervisor, "hot-lists", **lists, live=True)["next_boot"] == []
    assert guest("ls /sys/block | grep -c -E 'vd[bc]|sda'").strip() == "3"
    assert len(hypervisor.domain(vm.uuid).xml().split("<interface ")) == 4

    # four of the six ports are taken; what finds none waits, and so does what no bus takes while the guest runs
    many = {"disks": [{"size_gb": 0.25}, *lists["disks"][1:], {"size_gb": 0.125, "bus": "sata"}, *[SMALL_DISK] * 3]}
    answer = brought(hypervisor, "hot-lists", **many, live=True)
    assert answer["next_boot"] == ["disks"]
    assert sum(step["applies"] == "next_boot" for step in answer["plan"]) == 2
    assert guest("cat /sys/block/vdb/size").strip() == "524288"

    answer = brought(hypervisor, "hot-lists", **many, memory_mb=144, state="restarted", force_after=0)
    running = named(hypervisor, "hot-lists").running
    assert running is not None
    assert len(running.disks) == 1 + 7
    answer = brought(
        hypervisor,
        "hot-lists",
        disks=[],
        disks_exclusive=True,
        nics=[],
        nics_exclusive=True,
        state="stopped",
        force_after=0,
    )
    assert [disk.device for disk in named(hypervisor, "hot-lists").disks] == ["disk"]
    assert answer["diff"]["after"]["state"] == "stopped"
