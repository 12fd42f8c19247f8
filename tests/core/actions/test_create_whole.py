# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new VM can be beyond a disk and a card, on a real host; and a host that can't give it."""

import base64
import dataclasses
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import create
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure import ensure
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.perform import StepReport
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import read_domain
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import NotEnoughSpace, Unsupported
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.desired import Desired
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import CARD_MODELS
from lab.commands import run
from lab.host import Host
from tests.core.actions.guests import SEED, desired, everything_on, made, planned, wait_until

pytestmark = pytest.mark.lab
needs_mounts = pytest.mark.skipif("os.geteuid() != 0", reason="a plain user can't mount a file system")


def within(host: Host, *command: str | Path) -> None:
    """Run a command among the host's own mounts, which nobody else sees."""
    libvirtd = next(process for process in host.processes() if process.program == "libvirtd")
    run("nsenter", "--target", str(libvirtd.pid), "--mount", "--pid", *command)


def asked(host: Host, name: str, command: str, **arguments: Any) -> Any:
    """What the guest's agent returns."""
    request = json.dumps({"execute": command, "arguments": arguments})
    return json.loads(host.virsh("qemu-agent-command", name, request, timeout=20))["return"]


def test_disks_on_every_bus_and_cards_of_every_model(hypervisor: Hypervisor, lab_host: Host) -> None:
    """Started, as some of what libvirt adds by itself is a mistake only then."""
    buses = ["virtio", *["sata"] * 7, "scsi"]  # more than one controller of either
    disks = [{"size_gb": 0.01, "bus": bus} for bus in buses]
    nics = [{"model": model} for model in CARD_MODELS]
    before = everything_on(hypervisor)

    vm = made(hypervisor, desired(lab_host, "furnished", "running", disks=disks, nics=nics, cloud_init=SEED))

    assert (vm.status, len(vm.disks), len(vm.definition.interfaces)) == ("running", 11, 4)
    assert vm.root_disk is not None
    assert (vm.root_disk.path or "").endswith("-root.qcow2")
    assert vm.disk_gb == 0.125  # the root disk's, whatever else there is
    assert {controller.model for controller in vm.definition.controllers if controller.type == "scsi"} == {
        "virtio-scsi"
    }
    assert len({card.mac_address for card in vm.definition.interfaces}) == 4
    assert len(ensure(hypervisor, Desired({"name": "furnished"}, state="absent"))["deleted_disks"]) == 11
    assert everything_on(hypervisor) == before


def test_secure_boot_and_a_tpm_start_and_leave_nothing(hypervisor: Hypervisor, lab_host: Host) -> None:
    def kept() -> set[Path]:
        return {file for kind in ("*_VARS.fd", "*.permall") for file in lab_host.layout.folder.rglob(kind)}

    before = kept()
    secure = desired(lab_host, "secure", "running", firmware="uefi", secure_boot=True, tpm=True)

    vm = made(hypervisor, secure)

    assert (vm.status, vm.definition.secure_boot, vm.definition.tpm) == ("running", True, True)
    xml = hypervisor.domain(vm.uuid).xml()
    assert "OVMF_VARS_4M.ms.fd" in xml  # that with the keys of those who sign distributions
    assert {file.name for file in kept() - before} == {"secure_VARS.fd", "tpm2-00.permall"}
    assert ensure(hypervisor, secure)["changed"] is False
    ensure(hypervisor, Desired({"name": "secure"}, state="absent"))
    assert kept() == before


def test_a_vm_that_may_grow_does(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "growing", "running", max_cpu_cores=4, max_memory_mb=512))
    handle = hypervisor.domain(vm.uuid).handle

    handle.setVcpus(3)
    handle.attachDevice("<memory model='dimm'><target><size unit='MiB'>128</size><node>0</node></target></memory>")

    running = read_domain(hypervisor.domain(vm.uuid).xml())
    assert (running.vcpus, running.max_vcpus) == (3, 4)
    assert (running.memory_kib, running.max_memory_kib) == (256 * 1024, 512 * 1024)


@pytest.mark.slow
def test_a_guest_finds_its_disks_and_cards(hypervisor: Hypervisor, lab_host: Host) -> None:
    disks = [{"size_gb": 0.25}]
    nics = [{"mac_address": "52:54:00:ab:cd:01"}]
    wanted = desired(lab_host, "two-of-each", "running", image="tiny.qcow2", disks=disks, nics=nics)

    vm = made(hypervisor, wanted)

    def finds(folder: str) -> list[str]:
        opened = asked(lab_host, vm.name, "guest-exec", path="/bin/ls", arg=[folder], **{"capture-output": True})
        while not (done := asked(lab_host, vm.name, "guest-exec-status", pid=opened["pid"]))["exited"]:
            time.sleep(0.1)
        return base64.b64decode(done["out-data"]).decode().split()

    wait_until(lambda: read_domain(hypervisor.domain(vm.uuid).xml()).guest_agent_connected, "the agent runs")
    assert {name for name in finds("/sys/class/block") if name.startswith("vd")} >= {"vda", "vdb"}
    assert {name for name in finds("/sys/class/net") if name.startswith("eth")} == {"eth0", "eth1"}


# What the host can't give


@pytest.fixture
def bare_host(lab_host: Host) -> Iterator[Host]:
    """The host as it would be without the packages for UEFI and TPMs; libvirt looks for them once."""
    within(lab_host, "mount", "-t", "tmpfs", "tmpfs", "/usr/share/qemu/firmware")
    within(lab_host, "mount", "--bind", "/dev/null", "/usr/bin/swtpm")
    lab_host.kill_libvirtd()
    lab_host.start_libvirtd()
    yield lab_host
    within(lab_host, "umount", "/usr/share/qemu/firmware")
    within(lab_host, "umount", "/usr/bin/swtpm")
    lab_host.kill_libvirtd()
    lab_host.start_libvirtd()


@needs_mounts
def test_a_host_without_firmware_and_tpms_says_so_before_anything_is_made(bare_host: Host) -> None:
    with Hypervisor.open(bare_host.uri) as hypervisor:
        before = everything_on(hypervisor)
        for field, spec in (
            ("firmware", {"firmware": "uefi"}),
            ("firmware", {"firmware": "uefi", "secure_boot": True}),
            ("tpm", {"tpm": True}),
        ):
            with pytest.raises(Unsupported, match=r"^This host ") as caught:
                ensure(hypervisor, desired(bare_host, "bare", **spec))
            assert caught.value.field == field
        assert everything_on(hypervisor) == before


@pytest.fixture
def small_pool(hypervisor: Hypervisor, lab_host: Host) -> Iterator[str]:
    """A pool of little more than 1 MiB: a file system of its own, which libvirtd alone sees."""
    folder = lab_host.layout.folder / "small"
    folder.mkdir()
    within(lab_host, "mount", "-t", "tmpfs", "-o", "size=1200k", "tmpfs", folder)
    lab_host.virsh("pool-create-as", "small", "dir", "--target", folder)
    yield "small"
    lab_host.virsh("pool-destroy", "small")
    within(lab_host, "umount", folder)
    folder.rmdir()


@needs_mounts
def test_a_pool_that_fills_up_on_the_way(hypervisor: Hypervisor, lab_host: Host, small_pool: str) -> None:
    """Each disk fits by itself, and takes a few clusters at once."""
    wanted = desired(lab_host, "overcommitted", disk_gb=0.0009, disks=[{"size_gb": 0.0009}] * 8)
    wanted = dataclasses.replace(wanted, placement=dataclasses.replace(wanted.placement, pool=small_pool))
    plan = planned(hypervisor, wanted)
    before = everything_on(hypervisor)
    reports: list[StepReport] = []

    with pytest.raises(NotEnoughSpace, match="No space left on device"):
        create.create(hypervisor, plan, reports.append)

    assert sum(report.state == "succeeded" for report in reports) > 3  # some were made
    assert everything_on(hypervisor) == before
