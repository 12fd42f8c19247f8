# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new snapshot holds, and of which VMs none of that kind can be taken."""

import dataclasses
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import Disk
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    AgentUnavailable,
    HostlerError,
    InvalidSpec,
    Unsupported,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_content import content_of
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_wish import SnapshotWish
from ansible_collections.hostler.libvirt.plugins.module_utils.snapshot import Snapshot, SnapshotDisk
from tests.core.snapshots import AROUND, ROOT, vm

RAW = Disk("disk", "vdb", "virtio", "/data/b.raw", "raw")
SHARED = dataclasses.replace(RAW, shareable=True)
READ_ONLY = dataclasses.replace(RAW, target="vdc", read_only=True)
CD = Disk("cdrom", "sda", "sata", "/images/x.iso", "raw", read_only=True)
FLOPPY = Disk("floppy", "fda", "fdc", "/images/x.img", "raw")


def content(machine: ObservedMachine, **wish: Any) -> Snapshot:
    return content_of(machine, "one", SnapshotWish(**wish), AROUND)


@pytest.mark.parametrize(
    ("status", "wish", "memory", "kind"),
    [
        ("stopped", {}, "no", "internal"),
        ("crashed", {}, "no", "internal"),
        ("stopped", {"external": True}, "no", "external"),
        ("running", {}, "internal", "internal"),
        ("paused", {}, "internal", "internal"),
        ("running", {"external": False, "memory": True}, "internal", "internal"),
        ("running", {"external": True}, "no", "external"),
        ("paused", {"external": True, "memory": False}, "no", "external"),
        ("running", {"external": True, "memory": True}, "external", "external"),
    ],
)
def test_what_is_left_open_is_what_can_be(status: str, wish: dict[str, Any], memory: str, kind: str) -> None:
    found = content(vm(status=status), description="", **wish)

    assert (found.memory, found.disks[0].kind, found.description) == (memory, kind, None)
    assert (found.memory_file is not None) == (memory == "external")


def test_external_files_are_new_ones_in_the_folder_of_each_disk() -> None:
    second = dataclasses.replace(RAW, format="qcow2")
    found = content(vm(ROOT, second, CD, status="running"), external=True, memory=True)

    stem = "web-1-6f1e3f0a-one-0f1e2d3c"
    assert found.memory_file == f"/disks/{stem}-memory"
    assert found.disks == (
        SnapshotDisk("vda", "external", f"/disks/{stem}-vda.qcow2"),
        SnapshotDisk("vdb", "external", f"/data/{stem}-vdb.qcow2"),
        SnapshotDisk("sda", "no"),
    )


def test_the_name_of_a_vm_of_others_makes_no_other_path() -> None:
    found = content(vm(name="../" + "ü" * 200, uuid="6f1e3f0a-0"), external=True)

    (overlay,) = found.overlays
    assert overlay.startswith("/disks/.._")
    assert overlay.count("/") == 2
    assert len(overlay.encode()) < 250


def test_shared_and_read_only_disks_and_drives_are_left_out_beside_the_disks() -> None:
    found = content(vm(ROOT, SHARED, READ_ONLY, CD, FLOPPY), external=True)

    assert [disk.kind for disk in found.disks] == ["external", "no", "no", "no", "no"]


def test_read_only_disks_and_drives_are_left_out_inside_the_disks() -> None:
    found = content(vm(ROOT, READ_ONLY, CD, FLOPPY))

    assert [disk.kind for disk in found.disks] == ["internal", "no", "no", "no"]


QUIESCED = {"quiesce": True, "external": True}
UEFI = {"firmware": "uefi", "nvram": "/vars"}
AGENT = {"guest_agent": True, "guest_agent_connected": True}


@pytest.mark.parametrize(
    ("machine", "wish", "error", "field", "words"),
    [
        (vm(status="stopped"), {"memory": True}, WrongState, "memory", "not running"),
        (vm(status="running"), {"memory": False}, InvalidSpec, "memory", "always has its memory"),
        (vm(status="running", is_persistent=False), {}, WrongState, None, "transient"),
        (vm(status="saved"), {}, WrongState, None, "saved: start it"),
        (vm(status="suspended"), {}, WrongState, None, "VM is suspended"),
        (vm(ROOT, RAW), {}, Unsupported, "external", "vdb of VM 'web-1' is raw"),
        (vm(ROOT, SHARED), {}, Unsupported, "external", "vdb of VM 'web-1' is shared"),
        (vm(definition=UEFI), {}, Unsupported, "external", "UEFI variables"),
        (vm(CD), {}, Unsupported, None, "no disk of its own"),
        (vm(SHARED), {"external": True}, Unsupported, None, "no disk of its own"),
        (
            vm(ROOT, dataclasses.replace(ROOT, target="vdz")), {"external": True}, Unsupported, "external",
            "vdz of VM 'web-1' is on no storage pool",
        ),
        (vm(status="running"), {"quiesce": True}, InvalidSpec, "quiesce", "external"),
        (vm(status="running"), {**QUIESCED, "memory": True}, InvalidSpec, "quiesce", "no memory"),
        (vm(status="stopped"), QUIESCED, WrongState, "quiesce", "VM is stopped"),
        (vm(status="paused", definition=AGENT), QUIESCED, WrongState, "quiesce", "is paused"),
        (
            vm(status="running", definition={"guest_agent": True}), QUIESCED, AgentUnavailable, "quiesce",
            "no guest agent that answers",
        ),
    ],
)  # fmt: skip
def test_what_libvirt_can_not_do_is_said_before(
    machine: ObservedMachine, wish: dict[str, Any], error: type[HostlerError], field: str | None, words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        content(machine, **wish)
    assert caught.value.field == field


def test_uefi_variables_in_qcow2_can_hold_a_snapshot_and_beside_the_disks_any_do() -> None:
    assert content(vm(definition={**UEFI, "nvram_format": "qcow2"})).memory == "no"
    assert content(vm(definition=UEFI), external=True).is_external


def test_a_guest_whose_agent_is_connected_can_be_quiesced() -> None:
    assert content(vm(status="running", definition=AGENT), external=True, quiesce=True).is_external
