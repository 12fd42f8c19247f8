# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots on a real host: what they hold, what comes back, and whom they never harm."""

import base64
import json
import signal
import threading
import time
from pathlib import Path
from typing import Any

import libvirt_qemu
import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import delete, snapshots
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_snapshot import (
    ensure_snapshot,
    snapshots_of,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.one_machine import OneMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.perform import perform
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import read_domain
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    AgentUnavailable,
    GuestTimeout,
    HostlerError,
    HostUnreachable,
    OperationFailed,
    Unsupported,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.snapshot import Snapshots
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.change import Change, plan_change
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_steps import TakeSnapshot
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_wish import SnapshotWish
from ansible_collections.hostler.libvirt.plugins.module_utils.snapshot import Snapshot, SnapshotDisk
from lab.commands import run
from lab.host import Host
from tests.core.actions.guests import desired, everything_on, made, named, wait_until
from tests.core.machines import MIB

pytestmark = pytest.mark.lab


def see_to(hypervisor: Hypervisor, name: str, **wish: Any) -> dict[str, Any]:
    """What came of it, after check mode has foretold the same and changed nothing."""
    wanted = SnapshotWish(**wish)
    before = Snapshots(hypervisor.domain(named(hypervisor, name).uuid)).all()
    foretold = ensure_snapshot(hypervisor, OneMachine(name), wanted, check=True)
    assert Snapshots(hypervisor.domain(named(hypervisor, name).uuid)).all() == before
    done = ensure_snapshot(hypervisor, OneMachine(name), wanted)
    if wish.get("snapshot"):
        assert {key: done[key] for key in ("changed", "diff", "plan", "removed")} == {
            key: foretold[key] for key in ("changed", "diff", "plan", "removed")
        }
    return done


def names(hypervisor: Hypervisor, name: str) -> list[str]:
    return [one["name"] for one in snapshots_of(hypervisor, OneMachine(name))["snapshots"]]


def disk(hypervisor: Hypervisor, name: str) -> str:
    """The file that the VM writes to."""
    return str(named(hypervisor, name).disks[0].path)


def write(path: str, pattern: int) -> None:
    run("qemu-io", "-f", "qcow2", "-c", f"write -P {pattern} 0 64k", path)


def holds(path: str, pattern: int) -> bool:
    done = run("qemu-io", "-U", "-r", "-f", "qcow2", "-c", f"read -P {pattern} 0 64k", path)
    return "Pattern verification failed" not in str(done)


def change(hypervisor: Hypervisor, vm: str, **fields: Any) -> None:
    perform(hypervisor, plan_change(named(hypervisor, vm), Change(**fields), "default"))


def agent(hypervisor: Hypervisor, vm: ObservedMachine, command: str, **arguments: Any) -> Any:
    asked = json.dumps({"execute": command, "arguments": arguments})
    handle = hypervisor.domain(vm.uuid).handle
    return json.loads(libvirt_qemu.qemuAgentCommand(handle, asked, 20, 0))["return"]


def sh(hypervisor: Hypervisor, vm: ObservedMachine, script: str) -> str:
    """What a shell in the guest prints."""
    pid = agent(hypervisor, vm, "guest-exec", path="/bin/sh", arg=["-c", script], **{"capture-output": True})["pid"]
    status: dict[str, Any] = {}

    def ended() -> bool:
        status.update(agent(hypervisor, vm, "guest-exec-status", pid=pid))
        return bool(status["exited"])

    wait_until(ended, f"the guest has run {script}")
    return base64.b64decode(status.get("out-data", "")).decode().strip()


def booted(hypervisor: Hypervisor, host: Host, name: str, **spec: Any) -> ObservedMachine:
    """A real guest whose agent answers."""
    image = {"image": "tiny.qcow2", "image_mode": "backing", "disk_gb": 1}
    vm = made(hypervisor, desired(host, name, "running", **image, **spec))
    domain = hypervisor.domain(vm.uuid)
    wait_until(lambda: read_domain(domain.xml()).guest_agent_connected, "the guest's agent is connected", 180)
    return vm


# Content


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


# Beside the disks


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


def test_a_file_that_a_clone_is_built_on_is_never_merged_into(hypervisor: Hypervisor, lab_host: Host) -> None:
    made(hypervisor, desired(lab_host, "origin", "running"))
    root = disk(hypervisor, "origin")
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


# Delete


def test_a_vm_goes_with_all_that_its_snapshots_hold_and_its_image_stays(hypervisor: Hypervisor, lab_host: Host) -> None:
    before = everything_on(hypervisor)
    vm = made(hypervisor, desired(lab_host, "whole", "running", image="tiny.qcow2", image_mode="backing", disk_gb=1))
    root = disk(hypervisor, "whole")
    see_to(hypervisor, "whole", snapshot="inside")
    see_to(hypervisor, "whole", snapshot="with-memory", external=True, memory=True)
    middle = disk(hypervisor, "whole")
    lab_host.virsh("snapshot-create-as", "whole", "by-hand", "--disk-only")
    top = disk(hypervisor, "whole")
    memory = snapshots_of(hypervisor, OneMachine("whole"))["snapshots"][1]["memory_file"]

    assert delete.delete(hypervisor, vm.uuid) == [top, middle, root, memory]

    assert everything_on(hypervisor) == before


def test_what_a_clone_needs_of_a_chain_stays_when_the_vm_goes(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "chained"))
    root = disk(hypervisor, "chained")
    for snapshot in ("one", "two"):
        see_to(hypervisor, "chained", snapshot=snapshot, external=True)
        if snapshot == "one":
            middle = disk(hypervisor, "chained")
    top = disk(hypervisor, "chained")
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", middle, f"{root}.clone")

    assert delete.delete(hypervisor, vm.uuid) == [top]

    assert (Path(middle).exists(), Path(root).exists(), Path(top).exists()) == (True, True, False)


def test_a_disk_that_was_detached_since_an_external_snapshot_stays(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "detached", disks=[{"size_gb": 0.0625}]))
    kept = named(hypervisor, "detached").disks[1]
    see_to(hypervisor, "detached", snapshot="one", external=True)
    overlay = named(hypervisor, "detached").disks[1].path
    lab_host.virsh("detach-disk", "detached", kept.target, "--config")

    deleted = delete.delete(hypervisor, vm.uuid)

    assert len(deleted) == 2
    assert kept.path not in deleted
    assert overlay not in deleted


# Real guests


@pytest.mark.slow
def test_a_real_guest_is_quiesced_goes_on_where_it_was_and_is_never_left_frozen(
    hypervisor: Hypervisor, lab_host: Host
) -> None:
    vm = booted(hypervisor, lab_host, "guest")
    sh(hypervisor, vm, "echo before >/root/state")

    see_to(hypervisor, "guest", snapshot="memory")
    sh(hypervisor, vm, "echo after >/root/state; sync")
    see_to(hypervisor, "guest", snapshot="memory", state="reverted")
    wait_until(lambda: read_domain(hypervisor.domain(vm.uuid).xml()).guest_agent_connected, "the agent is back")
    assert sh(hypervisor, vm, "cat /root/state") == "before"

    see_to(hypervisor, "guest", snapshot="quiesced", external=True, quiesce=True)
    assert agent(hypervisor, vm, "guest-fsfreeze-status") == "thawed"

    # nobody waits for it any longer while it is taken
    overlay = SnapshotDisk("vda", "external", f"{disk(hypervisor, 'guest')}.late")
    late = TakeSnapshot(vm.uuid, Snapshot("late", 0, "", disks=(overlay,)), quiesce=True, timeout=0.001)
    with pytest.raises(GuestTimeout, match="Failed to take snapshot 'late' within"):
        snapshots.take(hypervisor, late)
    wait_until(lambda: bool(agent(hypervisor, vm, "guest-fsfreeze-status") == "thawed"), "the guest is thawed")

    # its agent hangs
    sh(hypervisor, vm, "(sleep 1; kill -STOP $(pidof qemu-ga)) >/dev/null 2>&1 &")
    time.sleep(2)
    with pytest.raises(AgentUnavailable, match="file systems may be frozen"):
        ensure_snapshot(hypervisor, OneMachine("guest"), SnapshotWish(snapshot="deaf", external=True, quiesce=True))
    assert "deaf" not in names(hypervisor, "guest")


@pytest.mark.slow
def test_a_guest_that_somebody_else_froze_stays_frozen(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = booted(hypervisor, lab_host, "frozen")
    hypervisor.domain(vm.uuid).handle.fsFreeze()

    with pytest.raises(OperationFailed, match="frozen state"):
        ensure_snapshot(hypervisor, OneMachine("frozen"), SnapshotWish(snapshot="one", external=True, quiesce=True))

    assert agent(hypervisor, vm, "guest-fsfreeze-status") == "frozen"
    assert names(hypervisor, "frozen") == []


@pytest.mark.slow
def test_a_libvirtd_that_is_killed_while_a_guest_is_frozen_leaves_none_frozen_when_it_is_back(
    hypervisor: Hypervisor, lab_host: Host
) -> None:
    # so many disks that their new files take a while, in which the guest is frozen
    vm = booted(hypervisor, lab_host, "icy", disks=[{"size_gb": 0.0625}] * 12)
    disks = tuple(SnapshotDisk(one.target, "external", f"{one.path}.new") for one in vm.disks)
    operation = TakeSnapshot(vm.uuid, Snapshot("one", 0, "", disks=disks), quiesce=True, timeout=120)
    failures: list[str] = []

    def take() -> None:
        with Hypervisor.open(lab_host.uri) as other:
            try:
                snapshots.take(other, operation)
            except HostlerError as error:
                failures.append(error.message)

    thread = threading.Thread(target=take)
    thread.start()
    try:
        wait_until(lambda: bool(agent(hypervisor, vm, "guest-fsfreeze-status") == "frozen"), "the guest is frozen")
    finally:
        lab_host.kill_libvirtd()
        lab_host.start_libvirtd()
        thread.join(120)
    with Hypervisor.open(lab_host.uri) as again:
        assert agent(again, vm, "guest-fsfreeze-status") == "thawed"
        assert names(again, "icy") == []
    assert len(failures) == 1
    assert "frozen" not in failures[0]


def test_a_qemu_that_hangs_is_said_to_hang_and_what_is_known_of_its_snapshots_is_told(
    hypervisor: Hypervisor, lab_host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(hypervisor, desired(lab_host, "hung", "running"))
    see_to(hypervisor, "hung", snapshot="one")
    process = lab_host.guest_process("hung")
    process.signal(signal.SIGSTOP)
    try:
        monkeypatch.setattr(
            "ansible_collections.hostler.libvirt.plugins.module_utils.actions.one_machine._ANSWER_SECONDS", 1
        )
        with pytest.raises(GuestTimeout, match="did not answer within 1 s"):
            ensure_snapshot(hypervisor, OneMachine("hung"), SnapshotWish(snapshot="two"))
        assert names(hypervisor, "hung") == ["one"]
    finally:
        process.signal(signal.SIGCONT)


@pytest.mark.slow
def test_a_libvirtd_that_is_killed_half_way_leaves_a_vm_that_goes_on(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "half-way", "running", image="tiny.qcow2", disk_gb=1, description="kept"))
    folder = Path(disk(hypervisor, "half-way")).parent
    caught: list[BaseException] = []

    def take() -> None:
        with Hypervisor.open(lab_host.uri) as other:
            try:
                wish = SnapshotWish(snapshot="one", external=True, memory=True)
                ensure_snapshot(other, OneMachine("half-way"), wish)
            except HostUnreachable as error:
                caught.append(error)

    thread = threading.Thread(target=take)
    thread.start()
    try:
        while thread.is_alive() and not list(folder.glob("half-way-*-memory")):
            time.sleep(0.001)
    finally:
        lab_host.kill_libvirtd()
        thread.join(120)
        lab_host.start_libvirtd()
    with Hypervisor.open(lab_host.uri) as again:
        if not caught:
            pytest.skip("it was done before libvirtd could be killed")
        now = named(again, "half-way")
        assert (now.uuid, now.status) == (vm.uuid, "running")
        assert now.record == vm.record
        taken = see_to(again, "half-way", snapshot="two", external=True, memory=True)
        assert taken["snapshot"]["memory"] is True
        assert delete.delete(again, vm.uuid)[-1] == taken["snapshot"]["memory_file"]


def test_a_snapshot_of_a_large_disk_takes_no_more_room_than_it_needs(hypervisor: Hypervisor, lab_host: Host) -> None:
    made(hypervisor, desired(lab_host, "large", disk_gb=20))
    see_to(hypervisor, "large", snapshot="one", external=True)

    (told,) = snapshots_of(hypervisor, OneMachine("large"))["snapshots"]
    assert told["size"] < 2 * MIB
