# SPDX-License-Identifier: GPL-3.0-or-later
"""Other sizes for VMs that are there: ours, and those of others, whose definition is nobody's to tidy up."""

import dataclasses
import json
import re
import uuid as uuids

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import hardware, volumes
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure import ensure
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.size_edit import SizeEdit
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    InvalidSpec,
    OperationFailed,
    VolumeNotFound,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.desired import Desired
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.machine_steps import ResizeDomain
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volume_steps import GrowDisk
from lab.commands import run
from lab.host import Host
from tests.core.actions.guests import desired, made, named
from tests.core.domain_xml.documents import FOREIGN, difference, uncounted
from tests.core.machines import GIB, MIB

pytestmark = pytest.mark.lab


def virtual_size(path: str | None) -> int:
    """What qemu-img says, another witness than libvirt."""
    return int(json.loads(run("qemu-img", "info", "--output=json", path or ""))["virtual-size"])


def defined(hypervisor: Hypervisor, xml: str) -> Domain:
    """A domain of the lab from XML that somebody else wrote for a host with KVM and other devices."""
    for theirs, ours in (
        ("type='kvm'", "type='qemu'"),
        (r"<hostdev.*?</hostdev>", ""),
        (r"<hugepages>.*?</hugepages>", ""),
    ):
        xml = re.sub(theirs, ours, xml, flags=re.DOTALL)
    uuid = str(uuids.uuid4())
    domain = hypervisor.redefine(re.sub("<uuid>.*?</uuid>", f"<uuid>{uuid}</uuid>", xml))
    # once more: libvirt sorts the controllers that it adds only when it reads them again
    return hypervisor.redefine(domain.xml(inactive=True, secure=True))


def sizes(name: str, **spec: object) -> Desired:
    return Desired({"name": name, **spec}, create=False)


def test_a_disk_with_an_internal_snapshot_grows_and_keeps_it(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "snapped"))
    path = vm.root_disk.path if vm.root_disk else ""
    run("qemu-img", "snapshot", "-c", "before", path or "")

    ensure(hypervisor, sizes("snapped", disk_gb=0.5))

    assert virtual_size(path) == GIB // 2
    assert "before" in run("qemu-img", "snapshot", "-l", path or "")


def test_a_vm_of_ours_gets_all_three_sizes(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "grows", description="stays", tags=["a"]))
    xml = hypervisor.domain(vm.uuid).xml(inactive=True)
    wanted = sizes("grows", cpu_cores=3, memory_mb=192, disk_gb=0.5)

    planned = ensure(hypervisor, wanted, check=True)
    assert difference(xml, hypervisor.domain(vm.uuid).xml(inactive=True)) == []
    answer = ensure(hypervisor, wanted)

    assert (
        answer["diff"]
        == planned["diff"]
        == {
            "before": {"cpu_cores": 1, "memory_mb": 128, "disk_gb": 0.125},
            "after": {"cpu_cores": 3, "memory_mb": 192, "disk_gb": 0.5},
        }
    )
    now = named(hypervisor, "grows")
    assert (now.cpu_cores, now.memory_kib, now.disk_gb) == (3, 192 * 1024, 0.5)
    assert vm.record is not None
    assert now.record == dataclasses.replace(vm.record, revision=vm.record.revision + 1)  # one of our changes
    assert virtual_size(now.disks[0].path) == GIB // 2
    assert {line.split()[1] for line in difference(xml, uncounted(hypervisor.domain(vm.uuid).xml(inactive=True)))} == {
        "/domain/memory",
        "/domain/currentMemory",
        "/domain/vcpu",
    }
    assert ensure(hypervisor, wanted)["changed"] is False
    hypervisor.domain(vm.uuid).start()  # which sees whether QEMU takes it


@pytest.mark.parametrize("name", ["windows_spice", "numa_realtime"])
def test_a_vm_of_others_keeps_all_that_is_not_a_size(hypervisor: Hypervisor, name: str) -> None:
    domain = defined(hypervisor, FOREIGN[name])
    before = domain.xml(inactive=True, secure=True)

    ensure(hypervisor, Desired({"cpu_cores": 4, **({} if "numa" in name else {"memory_mb": 6144})}, uuid=domain.uuid))

    changed = {line.split()[1] for line in difference(before, domain.xml(inactive=True, secure=True))}
    assert changed <= {
        "/domain/memory",
        "/domain/currentMemory",
        "/domain/vcpu",
        "/domain/vcpus",
        "/domain/vcpus/vcpu",
        "/domain/cputune/vcpupin",
        "/domain/cpu/topology",
    }
    if name == "windows_spice":
        assert "/domain/memory" in changed
        assert "passwd='s3cr&amp;t'" in domain.xml(inactive=True, secure=True)


def test_schedules_of_vcpus_that_are_gone_keep_nobody_from_resizing(hypervisor: Hypervisor) -> None:
    xml = re.sub("<numa>.*</numa>", "", FOREIGN["numa_realtime"], flags=re.DOTALL)
    xml = re.sub("<numatune>.*</numatune>|<maxMemory.*</maxMemory>", "", xml, flags=re.DOTALL)
    domain = defined(hypervisor, xml)

    ensure(hypervisor, Desired({"cpu_cores": 2}, uuid=domain.uuid))

    assert named(hypervisor, "numa").cpu_cores == 2


@pytest.mark.parametrize("wanted", [{"memory_mb": 8192}, {"cpu_cores": 8, "memory_mb": 8192}, {"cpu_cores": 2}])
def test_a_numa_layout_that_fixes_the_sizes_is_left_as_it_is(hypervisor: Hypervisor, wanted: dict[str, int]) -> None:
    domain = defined(hypervisor, FOREIGN["numa_realtime"])
    before = domain.xml(inactive=True, secure=True)

    with pytest.raises(OperationFailed, match=r"(?i)numa"):
        ensure(hypervisor, Desired(wanted, uuid=domain.uuid))

    assert difference(before, domain.xml(inactive=True, secure=True)) == []


def test_a_vm_with_spare_vcpus_gets_as_many_as_are_asked(hypervisor: Hypervisor) -> None:
    domain = defined(hypervisor, FOREIGN["bare"].replace("type='test'", "type='qemu'").replace(
        "<os>", "<vcpu current='2'>8</vcpu><os>").replace("<name>bare", "<name>spare"))  # fmt: skip
    assert named(hypervisor, "spare").cpu_cores == 2

    assert ensure(hypervisor, Desired({"cpu_cores": 8}, uuid=domain.uuid))["changed"] is True

    assert named(hypervisor, "spare").cpu_cores == 8


def test_a_vm_that_runs_keeps_its_sizes_whatever_the_plan_said(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "busy", "running"))
    path = vm.disks[0].path or ""

    with pytest.raises(WrongState, match="VM must be stopped before resizing"):
        ensure(hypervisor, sizes("busy", memory_mb=256))
    with pytest.raises(WrongState):
        hardware.resize(hypervisor, ResizeDomain(vm.uuid, SizeEdit(2, None)))
    with pytest.raises(WrongState):
        volumes.grow(hypervisor, GrowDisk(vm.uuid, path, GIB))

    now = named(hypervisor, "busy")
    assert (now.cpu_cores, now.memory_kib, now.disks[0].size) == (1, 131072, 128 * MIB)


def test_a_disk_never_shrinks(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "shrinks"))

    with pytest.raises(InvalidSpec, match="can't shrink"):
        ensure(hypervisor, sizes("shrinks", disk_gb=0.1))
    with pytest.raises(HostlerError):  # nor by a plan that is out of date
        volumes.grow(hypervisor, GrowDisk(vm.uuid, vm.disks[0].path or "", MIB))

    assert virtual_size(vm.disks[0].path) == 128 * MIB


def test_a_disk_outside_of_every_pool_is_said_so(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "poolless"))

    with pytest.raises(VolumeNotFound, match="is in no storage pool") as caught:
        volumes.grow(hypervisor, GrowDisk(vm.uuid, "/outside.qcow2", GIB))
    assert caught.value.field == "disk_gb"


def test_growing_again_after_a_crash_is_no_change(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "regrows"))
    grow = GrowDisk(vm.uuid, vm.disks[0].path or "", 256 * MIB)

    volumes.grow(hypervisor, grow)
    volumes.grow(hypervisor, grow)
    hardware.resize(hypervisor, ResizeDomain(vm.uuid, SizeEdit(2, 262144)))
    hardware.resize(hypervisor, ResizeDomain(vm.uuid, SizeEdit(2, 262144)))

    assert virtual_size(vm.disks[0].path) == 256 * MIB


def test_it_is_resized_between_a_stop_and_a_start(hypervisor: Hypervisor, lab_host: Host) -> None:
    wanted = desired(lab_host, "cycles", "running")
    made(hypervisor, wanted)

    stopped = dataclasses.replace(wanted, spec={**wanted.spec, "memory_mb": 160}, state="stopped", force_after=0)
    answer = ensure(hypervisor, stopped)
    assert answer["diff"]["before"] == {"memory_mb": 128, "state": "running"}
    assert answer["diff"]["after"] == {"memory_mb": 160, "state": "stopped"}
    assert (answer["vm"]["status"], answer["vm"]["memory_mb"]) == ("stopped", 160)

    answer = ensure(hypervisor, dataclasses.replace(wanted, spec={"name": "cycles", "cpu_cores": 2}))
    assert (answer["vm"]["status"], answer["vm"]["cpu_cores"]) == ("running", 2)
