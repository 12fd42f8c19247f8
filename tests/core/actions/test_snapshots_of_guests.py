# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of real guests, and of those that hang, whatever is killed meanwhile."""

import signal
import threading
import time
from pathlib import Path

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import delete, snapshots
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_snapshot import (
    ensure_snapshot,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import read_domain
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    AgentUnavailable,
    GuestTimeout,
    HostlerError,
    HostUnreachable,
    OperationFailed,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_steps import TakeSnapshot
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_wish import SnapshotWish
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import OneMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.snapshot import Snapshot, SnapshotDisk
from lab.host import Host
from tests.core.actions.guests import desired, made, named, wait_until
from tests.core.actions.snapshotting import (
    agent,
    booted,
    disk,
    names,
    see_to,
    sh,
)

pytestmark = pytest.mark.lab


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
        # libvirtd answers before it has found out what it was at, and lets the guest go on
        wait_until(lambda: named(again, "half-way").status == "running", "it runs", 20)
        now = named(again, "half-way")
        assert now.uuid == vm.uuid
        assert now.record == vm.record
        taken = see_to(again, "half-way", snapshot="two", external=True, memory=True)
        assert taken["snapshot"]["memory"] is True
        assert delete.delete(again, vm.uuid)[-1] == taken["snapshot"]["memory_file"]
