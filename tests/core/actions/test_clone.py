# SPDX-License-Identifier: GPL-3.0-or-later
"""Clones on a real host: what they are made of is never written to, and a failed one leaves nothing."""

import dataclasses
from pathlib import Path
from typing import Any

import libvirt
import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.clone import clone as carry_out
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.clone import plan_for
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.clones import DOERS, clone_disk, define
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure import ensure
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_clone import ensure_clone
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.machine_doers import DOERS as MACHINE_DOERS
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.perform import perform
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.power import force_stop, start
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    InvalidSpec,
    MachineNotFound,
    NameTaken,
    OperationFailed,
    PoolNotFound,
    SnapshotNotFound,
    Unsupported,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import object_from
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.clone_wish import CloneWish
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.desired import Desired
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import OneMachine
from lab.commands import run
from lab.host import Host
from tests.core.actions.guests import SEED, desired, everything_on, made, named
from tests.core.actions.in_guest import booted, listening, said
from tests.core.actions.snapshotting import holds, see_to, write

pytestmark = pytest.mark.lab


def clone(hypervisor: Hypervisor, source: str, name: str, **wish: Any) -> dict[str, Any]:
    """What came of it, after check mode has foretold the same and changed nothing."""
    wanted: CloneWish = object_from(CloneWish, {"name": name, **wish}, "a clone")
    before = everything_on(hypervisor)
    foretold = ensure_clone(hypervisor, OneMachine(source), wanted, check=True)
    assert everything_on(hypervisor) == before
    done = ensure_clone(hypervisor, OneMachine(source), wanted)
    assert (done["changed"], done["diff"]) == (foretold["changed"], foretold["diff"])
    assert ensure_clone(hypervisor, OneMachine(source), wanted)["changed"] is False
    return done


def refused(hypervisor: Hypervisor, source: str, name: str, **wish: Any) -> HostlerError:
    before = everything_on(hypervisor)
    wanted: CloneWish = object_from(CloneWish, {"name": name, **wish}, "a clone")
    errors = []
    for check in (True, False):
        with pytest.raises(HostlerError) as caught:
            ensure_clone(hypervisor, OneMachine(source), wanted, check=check)
        errors.append(caught.value)
    assert everything_on(hypervisor) == before
    assert str(errors[0]) == str(errors[1])
    return errors[0]


def disk_of(hypervisor: Hypervisor, name: str) -> str:
    return str(named(hypervisor, name).disks[0].path)


def gone(hypervisor: Hypervisor, *names: str) -> list[str]:
    """The disks that were deleted with those VMs."""
    return [
        path for name in names for path in ensure(hypervisor, Desired({"name": name}, state="absent"))["deleted_disks"]
    ]


def test_a_full_clone_is_another_machine_with_the_same_content(hypervisor: Hypervisor, lab_host: Host) -> None:
    source = made(
        hypervisor,
        desired(
            lab_host,
            "mother",
            cloud_init=SEED,
            disks=[{"size_gb": 0.01}],
            nics=[{}],
            description="the first",
            tags=["a"],
        ),
    )
    write(disk_of(hypervisor, "mother"), 7)

    vm = clone(hypervisor, "mother", "child", mac_addresses=["52:54:00:AA:bb:01"], tags=["b"], state="running")["vm"]

    child = named(hypervisor, "child")
    assert (vm["status"], vm["description"], vm["tags"], vm["managed"]) == ("running", "the first", ["b"], True)
    assert child.record is not None
    assert (child.record.cloned_from, child.record.incomplete, child.record.id) == (source.uuid, False, None)
    assert child.uuid != source.uuid
    assert child.mac_address == "52:54:00:aa:bb:01"
    assert not {card.mac_address for card in source.definition.interfaces} & {
        card.mac_address for card in child.definition.interfaces
    }
    paths = [disk.path for disk in child.disks]
    assert len(paths) == 3
    assert not set(paths) & {disk.path for disk in source.disks}
    assert all(f"child-{child.uuid[:8]}-" in str(path) for path in paths)  # the seed's, too
    force_stop(hypervisor, child.uuid)
    assert holds(disk_of(hypervisor, "child"), 7)
    write(disk_of(hypervisor, "child"), 8)
    assert holds(disk_of(hypervisor, "mother"), 7)
    assert sorted(gone(hypervisor, "child")) == sorted(str(path) for path in paths)
    assert len(gone(hypervisor, "mother")) == 3


def test_a_linked_clone_reads_from_a_snapshot_that_then_can_not_be_removed(
    hypervisor: Hypervisor, lab_host: Host
) -> None:
    made(hypervisor, desired(lab_host, "trunk", "running"))
    see_to(hypervisor, "trunk", snapshot="golden", external=True)
    running = named(hypervisor, "trunk").running
    assert running is not None
    (base,) = running.disks[0].backing_paths
    before = Path(base).read_bytes()

    clone(hypervisor, "trunk", "branch", snapshot="golden", mode="linked", state="running")

    branch = hypervisor.find_volume_at(disk_of(hypervisor, "branch"))
    assert branch is not None
    assert branch.facts().backing_path == base
    with pytest.raises(WrongState, match="'branch'"):
        see_to(hypervisor, "trunk", snapshot="golden", state="absent")
    force_stop(hypervisor, named(hypervisor, "branch").uuid)
    write(disk_of(hypervisor, "branch"), 9)
    start(hypervisor, named(hypervisor, "branch").uuid)
    assert base not in gone(hypervisor, "trunk")  # it goes on being what the clone reads from
    assert Path(base).read_bytes() == before
    assert len(gone(hypervisor, "branch")) == 1
    volume = hypervisor.find_volume_at(base)
    assert volume is not None
    volume.delete()


def test_no_clone_is_built_upon_a_snapshot_that_goes_meanwhile(hypervisor: Hypervisor, lab_host: Host) -> None:
    """What it would be built upon, or be a copy of, is what its source writes to by then."""
    made(hypervisor, desired(lab_host, "felled", "running"))
    before = everything_on(hypervisor)
    for mode in ("linked", "full"):
        see_to(hypervisor, "felled", snapshot="golden", external=True)
        plan = plan_for(hypervisor, named(hypervisor, "felled"), CloneWish("late", mode=mode, snapshot="golden"))
        see_to(hypervisor, "felled", snapshot="golden", state="absent")

        with pytest.raises(WrongState, match="'golden' of VM 'felled' was removed while it was cloned"):
            carry_out(hypervisor, plan.steps[-1].operation.uuid, plan)

        assert everything_on(hypervisor) == before
    gone(hypervisor, "felled")


def test_no_clone_is_made_of_disks_of_different_times(hypervisor: Hypervisor, lab_host: Host) -> None:
    """As they are where the VM was started, and went off again, after the first of them was copied."""
    made(hypervisor, desired(lab_host, "moody", disks=[{"size_gb": 0.01}]))
    before = everything_on(hypervisor)
    plan = plan_for(hypervisor, named(hypervisor, "moody"), CloneWish("torn"))
    write(str(named(hypervisor, "moody").disks[1].path), 5)

    with pytest.raises(WrongState, match="vdb of the VM that is cloned was written to meanwhile"):
        carry_out(hypervisor, plan.steps[-1].operation.uuid, plan)

    assert everything_on(hypervisor) == before
    gone(hypervisor, "moody")


def test_no_clone_is_built_upon_a_snapshot_that_is_being_removed(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "felling", disk_gb=1.0))
    see_to(hypervisor, "felling", snapshot="golden", external=True)
    run("qemu-io", "-f", "qcow2", "-c", "write -P 5 0 8M", disk_of(hypervisor, "felling"))
    start(hypervisor, vm.uuid)
    plan = plan_for(hypervisor, named(hypervisor, "felling"), CloneWish("late", mode="linked", snapshot="golden"))
    base = plan.steps[1].operation.path
    domain = hypervisor.domain(vm.uuid)
    # as slow as a disk of many GiB would be
    domain.handle.blockCommit("vda", base, None, 1, libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE)

    with pytest.raises(WrongState, match="'golden' of VM 'felling' was removed while it was cloned"):
        carry_out(hypervisor, plan.steps[-1].operation.uuid, plan)

    assert hypervisor.find_domain_named("late") is None
    domain.handle.blockJobAbort("vda", 0)
    gone(hypervisor, "felling")


@pytest.mark.slow
def test_a_full_clone_of_a_snapshot_has_the_content_of_then(hypervisor: Hypervisor, lab_host: Host) -> None:
    made(hypervisor, desired(lab_host, "later"))
    write(disk_of(hypervisor, "later"), 3)
    see_to(hypervisor, "later", snapshot="then", external=True)
    write(disk_of(hypervisor, "later"), 4)
    start(hypervisor, named(hypervisor, "later").uuid)  # and it runs meanwhile

    clone(hypervisor, "later", "earlier", snapshot="then")

    assert holds(disk_of(hypervisor, "earlier"), 3)
    earlier = hypervisor.find_volume_at(disk_of(hypervisor, "earlier"))
    assert earlier is not None
    assert earlier.facts().backing_path is None
    gone(hypervisor, "earlier", "later")


@pytest.mark.slow
def test_a_copy_of_an_overlay_stands_by_itself(hypervisor: Hypervisor, lab_host: Host) -> None:
    made(hypervisor, desired(lab_host, "thin", image="tiny.qcow2", image_mode="backing"))

    clone(hypervisor, "thin", "thick")

    thick = hypervisor.find_volume_at(disk_of(hypervisor, "thick"))
    assert thick is not None
    assert thick.facts().backing_path is None
    run("qemu-img", "compare", disk_of(hypervisor, "thin"), disk_of(hypervisor, "thick"))
    gone(hypervisor, "thick", "thin")


@pytest.mark.slow
def test_a_clone_that_is_there_needs_no_source(hypervisor: Hypervisor, lab_host: Host) -> None:
    made(hypervisor, desired(lab_host, "gone-soon"))
    clone(hypervisor, "gone-soon", "stays")
    gone(hypervisor, "gone-soon")

    again = ensure_clone(hypervisor, OneMachine("gone-soon"), CloneWish("stays", state="running"))

    assert (again["changed"], again["vm"]["status"]) == (True, "running")
    with pytest.raises(MachineNotFound) as caught:
        ensure_clone(hypervisor, OneMachine("gone-soon"), CloneWish("another"))
    assert caught.value.field == "source"
    gone(hypervisor, "stays")


def test_what_can_not_be_is_said_before_anything_is_touched(hypervisor: Hypervisor, lab_host: Host) -> None:
    runs = made(hypervisor, desired(lab_host, "runs", "running"))
    made(hypervisor, desired(lab_host, "rests"))
    see_to(hypervisor, "rests", snapshot="inside")

    assert isinstance(refused(hypervisor, "runs", "x"), WrongState)
    assert isinstance(refused(hypervisor, "rests", "runs"), NameTaken)
    assert refused(hypervisor, "rests", "x", uuid=runs.uuid).field == "uuid"
    assert refused(hypervisor, "rests", "x", mode="linked").field == "mode"
    assert isinstance(refused(hypervisor, "rests", "x", snapshot="inside"), Unsupported)
    assert isinstance(refused(hypervisor, "rests", "x", snapshot="none"), SnapshotNotFound)
    assert isinstance(refused(hypervisor, "rests", "x", pool="nowhere"), PoolNotFound)
    assert refused(hypervisor, "rests", "../x").field == "name"
    assert refused(hypervisor, "rests", "x", mac_addresses=["52:54:00:00:00:01"] * 2).field == "mac_addresses"
    assert refused(hypervisor, "rests", "x", mac_addresses=["01:00:00:00:00:01"]).field == "mac_addresses.0"
    own = named(hypervisor, "rests").definition.interfaces[0].mac_address
    assert refused(hypervisor, "rests", "x", mac_addresses=[own]).field == "mac_addresses.0"
    with pytest.raises(InvalidSpec) as caught:
        ensure_clone(hypervisor, OneMachine("rests", runs.uuid), CloneWish("x"))
    assert caught.value.field == "source"
    gone(hypervisor, "runs", "rests")


def test_a_raw_disk_that_looks_like_an_image_is_not_cloned(hypervisor: Hypervisor, lab_host: Host) -> None:
    """Its guest may have written that header, with any file of the host as its backing file."""
    vm = made(hypervisor, desired(lab_host, "posing"))
    domain = hypervisor.domain(vm.uuid)
    hypervisor.redefine(domain.xml(inactive=True, secure=True).replace("type='qcow2'", "type='raw'"))

    error = refused(hypervisor, "posing", "x")

    assert "looks like qcow2" in str(error)
    gone(hypervisor, "posing")


@pytest.mark.slow
def test_a_raw_disk_is_copied_as_one_and_takes_no_more_room(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "plain"))
    path = disk_of(hypervisor, "plain")
    run("qemu-img", "create", "-f", "raw", path, "64M")
    domain = hypervisor.domain(vm.uuid)
    hypervisor.redefine(domain.xml(inactive=True, secure=True).replace("type='qcow2'", "type='raw'"))
    run("qemu-io", "-f", "raw", "-c", "write -P 5 0 64k", path)

    clone(hypervisor, "plain", "plain-2")

    copied = disk_of(hypervisor, "plain-2")
    assert copied.endswith("-root.raw")
    run("qemu-img", "compare", "-f", "raw", "-F", "raw", path, copied)
    volume = hypervisor.find_volume_at(copied)
    assert volume is not None
    assert volume.facts().allocation < 1024**2
    gone(hypervisor, "plain-2", "plain")


def test_a_clone_that_fails_leaves_nothing(hypervisor: Hypervisor, lab_host: Host) -> None:
    made(hypervisor, desired(lab_host, "whole", disks=[{"size_gb": 0.01}]))
    before = everything_on(hypervisor)
    bad = Path(disk_of(hypervisor, "whole").replace("-root.", "-disk1."))
    content = bad.read_bytes()
    table = int.from_bytes(content[40:48], "big")  # of its first level: an entry can't be so
    bad.write_bytes(content[:table] + b"\x80\0\0\0\0\0\2\0" + content[table + 8 :])

    with pytest.raises(OperationFailed):
        ensure_clone(hypervisor, OneMachine("whole"), CloneWish("half"))

    bad.write_bytes(content)
    assert everything_on(hypervisor) == before
    gone(hypervisor, "whole")


@pytest.mark.slow
def test_of_two_clones_with_one_uuid_the_first_goes_on(hypervisor: Hypervisor, lab_host: Host) -> None:
    made(hypervisor, desired(lab_host, "wanted"))
    source = named(hypervisor, "wanted")
    wish = CloneWish("only", uuid="00000000-0000-4000-8000-0000000c10e5")
    first, second = (plan_for(hypervisor, source, wish) for _ in range(2))
    define(hypervisor, first.steps[0].operation)  # type: ignore[arg-type]
    before = everything_on(hypervisor)

    with pytest.raises(NameTaken, match="UUID"):
        carry_out(hypervisor, str(wish.uuid), second)

    assert everything_on(hypervisor) == before
    for step in first.steps[1:]:
        perform(hypervisor, Plan((step,)), doers={**MACHINE_DOERS, **DOERS})
    with pytest.raises(NameTaken, match="' is in storage pool 'default' by now"):
        clone_disk(hypervisor, second.steps[1].operation)  # type: ignore[arg-type]
    assert len(gone(hypervisor, "only")) == 1
    gone(hypervisor, "wanted")


def test_a_guest_finds_itself_to_be_another_machine(hypervisor: Hypervisor, lab_host: Host) -> None:
    source = booted(hypervisor, lab_host, "elder", cloud_init=SEED)
    assert said(hypervisor, source.uuid, "hostname; cat /var/lib/guest/instance-id").split() == ["seeded", source.uuid]
    said(hypervisor, source.uuid, "echo kept >/root/state; sync")
    force_stop(hypervisor, source.uuid)

    clone(hypervisor, "elder", "younger", state="running")

    younger = named(hypervisor, "younger")
    listening(hypervisor, "younger")
    told = said(
        hypervisor, younger.uuid, "hostname; cat /var/lib/guest/instance-id /root/state /sys/class/net/eth0/address"
    )
    assert told.split() == ["younger", younger.uuid, "kept", str(younger.mac_address)]
    gone(hypervisor, "younger", "elder")


def test_a_template_is_built_upon_and_has_to_stay_one(hypervisor: Hypervisor, lab_host: Host) -> None:
    ensure(hypervisor, dataclasses.replace(desired(lab_host, "mould"), template=True))
    base = disk_of(hypervisor, "mould")
    write(base, 6)
    before = Path(base).read_bytes()

    clone(hypervisor, "mould", "cast", mode="linked", state="running")

    cast = named(hypervisor, "cast")
    assert cast.record is not None
    assert not cast.record.template
    with pytest.raises(WrongState, match="is a template"):
        start(hypervisor, named(hypervisor, "mould").uuid)
    none_any_more = Desired({"name": "mould"}, template=False)
    for check in (True, False):
        with pytest.raises(WrongState, match=f"has to stay a template: VM 'cast' is built upon {base}"):
            ensure(hypervisor, none_any_more, check=check)
    force_stop(hypervisor, cast.uuid)
    write(disk_of(hypervisor, "cast"), 5)
    assert Path(base).read_bytes() == before
    gone(hypervisor, "cast")
    assert ensure(hypervisor, none_any_more)["changed"] is True
    assert start(hypervisor, named(hypervisor, "mould").uuid)
    gone(hypervisor, "mould")
