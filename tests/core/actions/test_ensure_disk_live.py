# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks of VMs that run on a real host: plugged in, grown and unplugged while a guest uses them, or does not let go."""

import re
import signal

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import hotplug, power, volumes
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_disk import ensure_disk
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    GuestTimeout,
    HostlerError,
    OperationFailed,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volume_steps import GrowDisk
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_disk import WantedDisk, WantedLimits
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import OneMachine
from lab.host import Host
from tests.core.actions.guests import desired, made
from tests.core.actions.in_guest import booted, said
from tests.core.actions.test_ensure_disk import drives, ensured
from tests.core.domain_xml.documents import difference
from tests.core.machines import GIB

pytestmark = pytest.mark.lab


@pytest.mark.slow
def test_a_guest_uses_disks_that_come_grow_and_go_while_it_runs(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = booted(hypervisor, lab_host, "hot")

    def guest(command: str) -> str:
        return said(hypervisor, vm.uuid, command)

    with pytest.raises(WrongState, match="unless that may be done live"):
        ensure_disk(hypervisor, OneMachine("hot"), WantedDisk(serial="data", size_gb=0.125))
    answer = ensured(hypervisor, "hot", serial="data", size_gb=0.125, live=True)
    assert (answer["next_boot"], answer["disk"]["running"], answer["disk"]["defined"]) == ([], True, True)
    ensured(hypervisor, "hot", target="sda", size_gb=0.125, format="raw", serial="on-scsi", live=True)
    assert guest("cat /sys/block/vdb/size /sys/block/sda/size /sys/block/vdb/serial").split() == [
        "262144",
        "262144",
        "data",
    ]
    # the guest finds its disk at the same place after the next boot
    addresses = [re.findall(r"<target dev='vdb'.*?(<address.*?>)", xml, re.DOTALL) for xml in (
        hypervisor.domain(vm.uuid).xml(), hypervisor.domain(vm.uuid).xml(inactive=True))]  # fmt: skip
    assert addresses[0] == addresses[1]
    assert len(addresses[0]) == 1

    ensured(hypervisor, "hot", serial="data", size_gb=0.25, live=True, limits=WantedLimits(total_iops_sec=50))
    ensured(hypervisor, "hot", serial="on-scsi", size_gb=0.25, live=True)
    assert guest("cat /sys/block/vdb/size").strip() == "524288"
    tune = hypervisor.domain(vm.uuid).handle.blockIoTune("vdb", 1)
    assert (tune["total_iops_sec"], tune["read_bytes_sec"]) == (50, 0)
    waits = ensured(hypervisor, "hot", serial="data", cache="none", live=True)
    assert waits["next_boot"] == ["cache"]
    sata = ensured(hypervisor, "hot", serial="late", bus="sata", size_gb=0.125, live=True)
    assert (sata["next_boot"], sata["disk"]["running"]) == (["state"], False)

    # five ports are left of six
    for number in range(5):
        assert ensured(hypervisor, "hot", serial=f"n{number}", size_gb=0.01, live=True)["next_boot"] == []
    full = ensured(hypervisor, "hot", serial="one-more", size_gb=0.01, live=True)
    assert full["next_boot"] == ["state"]
    assert "no PCIe port is free" in full["plan"][-1]["title"]

    snapshot = "<domainsnapshot><disks><disk name='vda' snapshot='no'/>{}</disks></domainsnapshot>"
    others = "".join(
        f"<disk name='{target}' snapshot='no'/>"
        for target in drives(hypervisor, "hot")[1]
        if target not in ("vda", "vdb")
    )
    handle = hypervisor.domain(vm.uuid).handle
    handle.snapshotCreateXML(
        snapshot.format("<disk name='vdb' snapshot='external'/>" + others), 16 | 4
    )  # DISK_ONLY, NO_METADATA
    path = answer["disk"]["path"]
    # the disk at its target is still that disk; by itself the file is nothing to be written to any more
    assert (
        ensure_disk(hypervisor, OneMachine("hot"), WantedDisk(target="vdb", path=path, live=True))["changed"] is False
    )
    with pytest.raises(WrongState, match="must not be written to"):
        ensure_disk(hypervisor, OneMachine("hot"), WantedDisk(path=path, format="qcow2", live=True))

    for serial in ("n0", "on-scsi"):
        gone = ensured(hypervisor, "hot", serial=serial, state="absent", live=True, delete="owned")
        assert len(gone["deleted_disks"]) == 1
    assert "sda" not in guest("ls /sys/block")
    plugged = ensured(hypervisor, "hot", serial="one-more", live=True)  # there is a port for it by now
    assert plugged["diff"] == {"before": {"running": False}, "after": {"running": True}}

    power.power_cycle(hypervisor, vm.uuid)  # which sees whether QEMU takes what was defined
    both = drives(hypervisor, "hot")
    assert set(both[0]) == set(both[1])
    assert both[1]["vdb"].cache == "none"


@pytest.mark.slow
def test_a_guest_that_does_not_let_go_is_an_error_that_changes_nothing(hypervisor: Hypervisor, lab_host: Host) -> None:
    """Its disk is blank, so there is no system that could."""
    vm = made(hypervisor, desired(lab_host, "deaf", "running"))
    ensured(hypervisor, "deaf", serial="data", size_gb=0.01, live=True)
    xml = hypervisor.domain(vm.uuid).xml(inactive=True)

    for _ in range(2):  # QEMU, too, says that it has been asked before
        with pytest.raises(GuestTimeout, match=r"did not let go of disk vdb within 0 s"):
            ensure_disk(
                hypervisor, OneMachine("deaf"), WantedDisk(serial="data", state="absent", live=True, timeout=0.0)
            )

    assert difference(xml, hypervisor.domain(vm.uuid).xml(inactive=True)) == []
    assert "vdb" in drives(hypervisor, "deaf")[1]
    hypervisor.domain(vm.uuid).suspend()
    with pytest.raises(WrongState, match="VM is paused"):
        ensure_disk(hypervisor, OneMachine("deaf"), WantedDisk(serial="data", state="absent", live=True))
    ensured(hypervisor, "deaf", serial="more", size_gb=0.01, live=True)  # to come needs no guest's leave
    hypervisor.domain(vm.uuid).save()
    with pytest.raises(WrongState, match="VM is saved"):
        ensure_disk(hypervisor, OneMachine("deaf"), WantedDisk(serial="data", state="absent", live=True))


@pytest.mark.slow
def test_a_qemu_that_hangs_keeps_nobody_waiting(
    hypervisor: Hypervisor, lab_host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hotplug, "_ANSWER_SECONDS", 2)
    vm = made(hypervisor, desired(lab_host, "hangs", "running"))
    process = lab_host.guest_process("hangs")
    process.signal(signal.SIGSTOP)
    try:
        for wanted in (
            WantedDisk(serial="data", size_gb=0.01, live=True),
            WantedDisk(target="vda", size_gb=0.25, live=True),
        ):
            with pytest.raises(HostlerError) as caught:
                ensure_disk(hypervisor, OneMachine("hangs"), wanted)
            assert isinstance(caught.value, (GuestTimeout, OperationFailed)), caught.value
        with pytest.raises(GuestTimeout):
            volumes.grow(hypervisor, GrowDisk(vm.uuid, vm.disks[0].path or "", GIB, live=True))
    finally:
        process.signal(signal.SIGCONT)
    power.force_stop(hypervisor, vm.uuid)
