# SPDX-License-Identifier: GPL-3.0-or-later
"""External snapshots on a real host: their files are new, are merged again, and nobody else is harmed by that."""

from pathlib import Path

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import snapshots
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_snapshot import (
    ensure_snapshot,
    snapshots_of,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    OperationFailed,
    Unsupported,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_steps import TakeSnapshot
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_wish import SnapshotWish
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import OneMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.snapshot import Snapshot, SnapshotDisk
from lab.commands import run
from lab.host import Host
from tests.core.actions.guests import desired, everything_on, made, named
from tests.core.actions.snapshotting import (
    disk,
    holds,
    names,
    see_to,
    write,
)
from tests.core.machines import MIB

pytestmark = pytest.mark.lab


def test_external_ones_are_new_files_in_the_disks_pool_that_are_merged_again(
    hypervisor: Hypervisor, lab_host: Host
) -> None:
    made(hypervisor, desired(lab_host, "beside"))
    before = everything_on(hypervisor)
    root = disk(hypervisor, "beside")
    write(root, 1)

    see_to(hypervisor, "beside", snapshot="one", external=True)
    first = disk(hypervisor, "beside")
    write(first, 2)
    see_to(hypervisor, "beside", snapshot="two", external=True)

    told = snapshots_of(hypervisor, OneMachine("beside"))["snapshots"]
    assert [(one["name"], one["parent"], one["children"]) for one in told] == [
        ("one", None, ["two"]), ("two", "one", []),
    ]  # fmt: skip
    assert all(one["size"] > 0 for one in told)
    assert Path(first).parent == Path(root).parent
    assert holds(root, 1)
    assert holds(disk(hypervisor, "beside"), 2)
    with pytest.raises(Unsupported, match="can't revert to snapshot 'one', which is external"):
        ensure_snapshot(hypervisor, OneMachine("beside"), SnapshotWish(state="reverted", snapshot="one"))
    with pytest.raises(WrongState, match="while the VM is off"):
        ensure_snapshot(hypervisor, OneMachine("beside"), SnapshotWish(state="absent", snapshot="one"))

    assert see_to(hypervisor, "beside", snapshot="one", state="absent", children=True)["removed"] == ["two", "one"]

    assert disk(hypervisor, "beside") == root
    assert holds(root, 2)
    assert everything_on(hypervisor) == before


def test_a_running_vms_series_keeps_its_newest_and_takes_its_memory_files_along(
    hypervisor: Hypervisor, lab_host: Host
) -> None:
    made(hypervisor, desired(lab_host, "nightly", "running"))
    by_hand = ("--disk-only", "--diskspec", f"vda,file={disk(hypervisor, 'nightly')}.by-hand")
    lab_host.virsh("snapshot-create-as", "nightly", "nightly-20240101T000000Z", *by_hand)
    wish = {"series": "nightly", "keep": 2, "external": True, "memory": True}

    taken = [see_to(hypervisor, "nightly", **wish)["snapshot"]["name"] for _ in range(4)]

    assert names(hypervisor, "nightly") == ["nightly-20240101T000000Z", *taken[-2:]]
    files = [path for path in everything_on(hypervisor)[1] if path.endswith("-memory")]
    assert len(files) == 2
    assert named(hypervisor, "nightly").status == "running"
    again = see_to(hypervisor, "nightly", snapshot=taken[-1], series="nightly", keep=1)
    assert again["removed"] == [taken[-2]]
    assert not see_to(hypervisor, "nightly", snapshot=taken[-1], series="nightly", keep=1)["changed"]


def test_no_file_is_ever_overwritten(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "precious", "running"))
    path = Path(disk(hypervisor, "precious") + ".precious")
    path.write_text("precious")
    disks = (SnapshotDisk("vda", "external", str(path) + "-vda"),)
    wanted = Snapshot("one", 0, "running", memory="external", memory_file=str(path), disks=disks)

    with pytest.raises(OperationFailed, match="is there already"):
        snapshots.take(hypervisor, TakeSnapshot(vm.uuid, wanted, quiesce=False, timeout=60))

    assert path.read_text() == "precious"
    assert names(hypervisor, "precious") == []


def test_one_that_fails_leaves_no_file_behind(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "failing", "running", disks=[{"size_gb": 0.0625}]))
    before = everything_on(hypervisor)
    path = disk(hypervisor, "failing")
    disks = (SnapshotDisk("vda", "external", f"{path}.new"), SnapshotDisk("vdb", "external", "/nowhere/at.all"))
    wanted = Snapshot("one", 0, "running", memory="external", memory_file=f"{path}.memory", disks=disks)

    with pytest.raises(OperationFailed, match="Failed to take the snapshot"):
        snapshots.take(hypervisor, TakeSnapshot(vm.uuid, wanted, quiesce=False, timeout=60))

    assert everything_on(hypervisor) == before
    assert (names(hypervisor, "failing"), disk(hypervisor, "failing")) == ([], path)


@pytest.mark.parametrize("named_by", ["file", "pool"])
def test_a_file_that_a_clone_is_built_on_is_never_merged_into(
    hypervisor: Hypervisor, lab_host: Host, named_by: str
) -> None:
    vm = made(hypervisor, desired(lab_host, "origin"))
    root = disk(hypervisor, "origin")
    if named_by == "pool":
        domain = hypervisor.domain(vm.uuid)
        by_pool = f"<source pool='default' volume='{Path(root).name}'/>"
        xml = domain.xml(inactive=True).replace("<disk type='file'", "<disk type='volume'", 1)
        hypervisor.redefine(xml.replace(f"<source file='{root}'/>", by_pool))
    see_to(hypervisor, "origin", snapshot="one", external=True)
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", root, f"{root}.clone")

    for check in (True, False):
        with pytest.raises(WrongState, match=r"clone' in storage pool 'default' uses"):
            ensure_snapshot(hypervisor, OneMachine("origin"), SnapshotWish(state="absent", snapshot="one"), check)

    assert names(hypervisor, "origin") == ["one"]


def test_one_with_others_inside_of_its_file_goes_with_them_or_not_at_all(
    hypervisor: Hypervisor, lab_host: Host
) -> None:
    made(hypervisor, desired(lab_host, "nested"))
    see_to(hypervisor, "nested", snapshot="outer", external=True)
    write(disk(hypervisor, "nested"), 3)
    see_to(hypervisor, "nested", snapshot="inner")

    with pytest.raises(WrongState, match="those inside of its files: 'inner'"):
        ensure_snapshot(hypervisor, OneMachine("nested"), SnapshotWish(state="absent", snapshot="outer"))

    removed = see_to(hypervisor, "nested", snapshot="outer", state="absent", children=True)["removed"]
    assert removed == ["inner", "outer"]
    assert holds(disk(hypervisor, "nested"), 3)


def test_a_snapshot_of_a_large_disk_takes_no_more_room_than_it_needs(hypervisor: Hypervisor, lab_host: Host) -> None:
    made(hypervisor, desired(lab_host, "large", disk_gb=20))
    see_to(hypervisor, "large", snapshot="one", external=True)

    (told,) = snapshots_of(hypervisor, OneMachine("large"))["snapshots"]
    assert told["size"] < 2 * MIB
