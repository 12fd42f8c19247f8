# SPDX-License-Identifier: GPL-3.0-or-later
"""What of its snapshots goes with a VM, and what stays."""

from pathlib import Path

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import delete
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_snapshot import (
    snapshots_of,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import OneMachine
from lab.commands import run
from lab.host import Host
from tests.core.actions.guests import desired, everything_on, made, named
from tests.core.actions.snapshotting import (
    disk,
    see_to,
)

pytestmark = pytest.mark.lab


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
