# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots on a real host: what they hold, what comes back, and what of a VM never does."""

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import snapshots
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_snapshot import (
    ensure_snapshot,
    snapshots_of,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import read_domain
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    OperationFailed,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.snapshot import Snapshots
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_steps import TakeSnapshot
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_wish import SnapshotWish
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import OneMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.snapshot import Snapshot, SnapshotDisk
from lab.host import Host
from tests.core.actions.guests import desired, made, named
from tests.core.actions.snapshotting import (
    change,
    disk,
    holds,
    names,
    see_to,
    write,
)
from tests.core.machines import MIB

pytestmark = pytest.mark.lab


def test_what_a_disk_held_comes_back_and_a_name_is_taken_once(hypervisor: Hypervisor, lab_host: Host) -> None:
    made(hypervisor, desired(lab_host, "content"))
    path = disk(hypervisor, "content")
    write(path, 1)

    taken = see_to(hypervisor, "content", snapshot="one", description="a <b> & c")
    assert taken["changed"]
    assert (taken["snapshot"]["description"], taken["snapshot"]["state"]) == ("a <b> & c", "stopped")
    assert not see_to(hypervisor, "content", snapshot="one")["changed"]
    write(path, 2)

    reverted = see_to(hypervisor, "content", snapshot="one", state="reverted")
    assert (reverted["changed"], reverted["vm"]["status"], reverted["snapshot"]["current"]) == (True, "stopped", True)
    assert holds(path, 1)

    assert see_to(hypervisor, "content", snapshot="one", state="absent")["removed"] == ["one"]
    assert not see_to(hypervisor, "content", snapshot="one", state="absent")["changed"]
    assert names(hypervisor, "content") == []
    assert holds(path, 1)


def test_a_revert_brings_back_the_hardware_that_is_forced_and_never_the_record_name_or_addresses(
    hypervisor: Hypervisor, lab_host: Host
) -> None:
    vm = made(hypervisor, desired(lab_host, "identity", description="old", tags=("a",)))
    see_to(hypervisor, "identity", snapshot="one", series="s")
    change(hypervisor, "identity", description="new", tags=("b", "c"), protected=True, os_version="13", memory_mb=160)
    change(hypervisor, "identity", name="renamed", autostart=True)
    record = named(hypervisor, "renamed").record
    assert record is not None
    assert record.revision > 1

    with pytest.raises(WrongState, match="memory_mb was 128 and is 160"):
        see_to(hypervisor, "renamed", snapshot="one", state="reverted")
    see_to(hypervisor, "renamed", snapshot="one", state="reverted", force=True, power="paused")

    now = named(hypervisor, "renamed")
    assert (now.uuid, now.mac_address, now.memory_kib, now.status) == (vm.uuid, vm.mac_address, 128 * 1024, "paused")
    assert (now.record, now.autostart) == (record, True)
    assert now.running is not None
    assert now.running.record == record
    domain = hypervisor.domain(vm.uuid)
    assert "hostler-snapshot" not in domain.xml() + domain.xml(inactive=True)
    assert snapshots_of(hypervisor, OneMachine("renamed"))["snapshots"][0]["series"] == "s"


def test_the_record_of_now_is_in_the_snapshot_before_the_revert_so_that_a_crash_loses_nothing(
    hypervisor: Hypervisor, lab_host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    vm = made(hypervisor, desired(lab_host, "crash", description="old"))
    see_to(hypervisor, "crash", snapshot="one")
    change(hypervisor, "crash", description="new")

    def cut_off(_self: Snapshots) -> None:
        raise KeyboardInterrupt  # as if the process were killed right after libvirt's revert

    monkeypatch.setattr(Snapshots, "forget_series", cut_off)
    with pytest.raises(KeyboardInterrupt):
        ensure_snapshot(hypervisor, OneMachine("crash"), SnapshotWish(state="reverted", snapshot="one"))

    record = read_domain(hypervisor.domain(vm.uuid).xml(inactive=True)).record
    assert record is not None
    assert record.description == "new"


def test_a_password_of_its_display_survives_that(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "display"))
    domain = hypervisor.domain(vm.uuid)
    display = "<graphics type='vnc' port='-1' autoport='yes' passwd='hunter2'/></devices>"
    hypervisor.redefine(domain.xml(inactive=True, secure=True).replace("</devices>", display))
    see_to(hypervisor, "display", snapshot="one", series="s")
    change(hypervisor, "display", description="new")

    answer = see_to(hypervisor, "display", snapshot="one", state="reverted")

    assert "passwd='hunter2'" in domain.xml(inactive=True, secure=True)
    assert "hunter2" not in str(answer) + str(snapshots_of(hypervisor, OneMachine("display")))


def test_a_vm_of_others_gets_no_record_by_a_revert(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "given-away"))
    see_to(hypervisor, "given-away", snapshot="one")
    domain = hypervisor.domain(vm.uuid)
    domain.set_record(None)

    see_to(hypervisor, "given-away", snapshot="one", state="reverted")
    assert named(hypervisor, "given-away").record is None

    domain.set_record(Record(uuid=vm.uuid, created="now"))
    see_to(hypervisor, "given-away", snapshot="one", state="reverted")
    assert named(hypervisor, "given-away").record == Record(uuid=vm.uuid, created="now")


def test_memory_comes_back_with_the_vm_running_or_paused_and_saved_memory_does_not(
    hypervisor: Hypervisor, lab_host: Host
) -> None:
    vm = made(hypervisor, desired(lab_host, "memory", "running"))
    assert see_to(hypervisor, "memory", snapshot="one")["snapshot"]["memory"] is True
    domain = hypervisor.domain(vm.uuid)

    domain.save()
    with pytest.raises(WrongState, match="VM is saved: start it"):
        ensure_snapshot(hypervisor, OneMachine("memory"), SnapshotWish(snapshot="two"))
    assert see_to(hypervisor, "memory", snapshot="one", state="reverted")["vm"]["status"] == "running"
    assert not domain.has_managed_save()  # the next start would go on from it, over disks of another time

    assert see_to(hypervisor, "memory", snapshot="one", state="reverted", power="paused")["vm"]["status"] == "paused"
    assert see_to(hypervisor, "memory", snapshot="one", state="reverted")["vm"]["status"] == "running"


def test_a_revert_that_fails_says_that_the_vm_is_off_and_its_record_stays(
    hypervisor: Hypervisor, lab_host: Host
) -> None:
    vm = made(hypervisor, desired(lab_host, "lost-cd", description="kept"))
    iso = hypervisor.pool("default").create_volume("lost.iso", MIB, "raw")
    drive = (
        f"<disk type='file' device='cdrom'><source file='{iso.path}'/><target dev='sdz' bus='scsi'/><readonly/></disk>"
    )
    domain = hypervisor.domain(vm.uuid)
    domain.handle.attachDeviceFlags(drive, 2)
    domain.start()
    see_to(hypervisor, "lost-cd", snapshot="one")
    domain.handle.updateDeviceFlags(drive.replace(f"<source file='{iso.path}'/>", ""), 1 | 2)
    iso.delete()

    with pytest.raises(OperationFailed, match="; the VM is off now"):
        ensure_snapshot(hypervisor, OneMachine("lost-cd"), SnapshotWish("reverted", "one"))

    assert named(hypervisor, "lost-cd").record == vm.record
    assert named(hypervisor, "lost-cd").status == "stopped"


def test_one_that_somebody_else_took_meanwhile_is_in_no_series(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "meanwhile"))
    lab_host.virsh("snapshot-create-as", "meanwhile", "one")
    wanted = Snapshot("one", 0, "", disks=(SnapshotDisk("vda", "internal"),), series="s")

    assert snapshots.take(hypervisor, TakeSnapshot(vm.uuid, wanted, quiesce=False, timeout=60)) is None

    assert [one["series"] for one in snapshots_of(hypervisor, OneMachine("meanwhile"))["snapshots"]] == [None]
