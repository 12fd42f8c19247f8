# SPDX-License-Identifier: GPL-3.0-or-later
"""What would be done to one disk: which it is, what of it can be done while the VM runs, and what is refused."""

import dataclasses
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.drive import (
    Drive,
    Limits,
    read_drives,
    with_drive,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    InvalidSpec,
    Protected,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.chassis import Chassis
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.device_steps import (
    DefineDrive,
    LimitDrive,
    PlugDrive,
    UndefineDrive,
    UnplugDrive,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.disk import Source, plan_absent, plan_present
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.found_disk import Found, find_disk
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volume_steps import (
    AddVolume,
    CreateVolume,
    DeleteVolume,
    GrowDisk,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_disk import (
    WantedDisk,
    WantedLimits,
    validate_disk,
)
from tests.core.machines import GIB, RECORD, UUID

ROOT = Drive("disk", "vda", bus="virtio", path="/d/root.qcow2", format="qcow2")
DATA = Drive("disk", "vdb", bus="virtio", path="/d/data.qcow2", format="qcow2", serial="data")
SEED = Drive("cdrom", "sda", bus="scsi", path="/d/seed.iso", format="raw", read_only=True, place=(0, 0))
NEW = Source("/d/new.qcow2", "qcow2", False, GIB, CreateVolume("default", "new.qcow2", GIB, "qcow2"), "Create it")
THERE = Source("/d/there.raw", "raw", False, GIB)


def xml_of(drives: tuple[Drive, ...], ports: int = 1, scsi: bool = True) -> str:
    """A q35 with as many free ports."""
    controllers = "<controller type='pci' index='0' model='pcie-root'/>"
    controllers += "".join(f"<controller type='pci' index='{n}' model='pcie-root-port'/>" for n in range(1, ports + 1))
    controllers += "<controller type='scsi' index='0' model='virtio-scsi'/>" if scsi else ""
    xml = f"<domain type='qemu'><name>web-1</name><uuid>{UUID}</uuid><devices>{controllers}</devices></domain>"
    for drive in drives:
        xml = with_drive(xml, drive)
    return xml


def chassis(
    defined: tuple[Drive, ...] | None = (ROOT,), running: tuple[Drive, ...] | None = None, **more: Any
) -> Chassis:
    room = {name: more.pop(name) for name in ("ports", "scsi") if name in more}
    return Chassis(
        **{
            "uuid": UUID,
            "name": "web-1",
            "status": "stopped" if running is None else "running",
            "defined_xml": None if defined is None else xml_of(defined, **room),
            "running_xml": None if running is None else xml_of(running, **room),
            "record": RECORD,
            "defined_drives": defined or (),
            "running_drives": running or (),
            **more,
        }
    )


def present(vm: Chassis, source: Source | None = None, size: int | None = None, **fields: Any) -> Plan:
    wanted = validate_disk(WantedDisk(**fields))
    path = fields.get("path") or (f"/d/{fields['volume']}" if "volume" in fields else None)
    return plan_present(wanted, vm, find_disk(wanted, vm, path), source, size)


def absent(vm: Chassis, *owned: str, **fields: Any) -> Plan:
    wanted = validate_disk(WantedDisk(state="absent", **fields))
    return plan_absent(wanted, vm, find_disk(wanted, vm, fields.get("path")), owned)


def operations(plan: Plan) -> list[Any]:
    return [step.operation for step in plan.steps]


def kinds(plan: Plan) -> list[tuple[str, str]]:
    return [(type(step.operation).__name__, step.applies.value) for step in plan.steps]


BOTH = chassis((ROOT, DATA), (ROOT, DATA))


# A new one


def test_a_new_disk_of_a_vm_that_is_off_is_made_and_defined() -> None:
    plan = present(chassis(), NEW, serial="new", size_gb=1.0)

    drive = Drive("disk", "vdb", bus="virtio", path=NEW.path, format="qcow2", discard="unmap", serial="new")
    assert NEW.new is not None
    assert operations(plan) == [AddVolume(NEW.new), DefineDrive(UUID, drive)]
    assert plan.before == {"state": "absent"}
    assert plan.after == {
        "state": "present", "target": "vdb", "bus": "virtio", "path": NEW.path, "format": "qcow2", "discard": "unmap",
        "serial": "new", "size_gb": 1.0,
    }  # fmt: skip


def test_a_new_disk_of_a_vm_that_runs_is_plugged_in_first_and_then_defined() -> None:
    plan = present(chassis(running=(ROOT,)), NEW, serial="new", size_gb=1.0, live=True)

    assert kinds(plan) == [("AddVolume", "now"), ("PlugDrive", "now"), ("DefineDrive", "now")]
    assert plan.next_boot == []


@pytest.mark.parametrize(
    ("fields", "room", "reason"),
    [
        ({"bus": "virtio"}, {"ports": 0}, "no PCIe port is free"),
        ({"bus": "sata"}, {}, "nothing can be plugged into sata live"),
        ({"bus": "scsi"}, {"scsi": False}, "the running VM has no SCSI controller for it"),
    ],
)
def test_one_that_can_not_be_plugged_in_waits_for_the_next_boot(
    fields: dict[str, Any], room: dict[str, Any], reason: str
) -> None:
    plan = present(chassis(running=(ROOT,), **room), NEW, serial="new", size_gb=1.0, live=True, **fields)

    assert kinds(plan) == [("AddVolume", "now"), ("DefineDrive", "next_boot")]
    assert plan.next_boot == ["state"]
    assert plan.steps[-1].title.endswith(f"into the definition, for the next boot: {reason}")
    with pytest.raises(WrongState, match=f"{reason}, and the VM is transient"):
        present(chassis(None, (ROOT,), **room), NEW, serial="new", size_gb=1.0, live=True, **fields)


def test_a_unit_that_the_running_vm_has_for_another_disk_is_not_used() -> None:
    sdx = Drive("disk", "sdx", bus="scsi", path="/d/x", format="raw", place=(0, 0))

    plan = present(chassis((ROOT,), (ROOT, sdx)), THERE, bus="scsi", path=THERE.path, live=True)

    assert operations(plan)[1].drive.place == (0, 1)
    moved = dataclasses.replace(sdx, target="sdb", path=THERE.path)
    waits = present(chassis((ROOT, moved), (ROOT, sdx)), target="sdb", limits=WantedLimits(read_iops_sec=1), live=True)
    assert kinds(waits) == [("SetDrive", "now")]  # its unit is taken: it is not plugged in


def test_a_scsi_disk_gets_a_unit_and_if_need_be_a_controller() -> None:
    _, step = present(chassis(), THERE, target="sdb", path=THERE.path).steps
    assert isinstance(step.operation, DefineDrive)
    assert (step.operation.drive.bus, step.operation.drive.place, step.operation.controller) == ("scsi", (0, 0), None)

    _, step = present(chassis(scsi=False), THERE, bus="scsi", path=THERE.path).steps
    assert isinstance(step.operation, DefineDrive)
    assert (step.operation.drive.target, step.operation.drive.place, step.operation.controller) == ("sda", (0, 0), 0)

    _, step = present(chassis((ROOT, SEED)), THERE, bus="scsi", path=THERE.path).steps
    assert isinstance(step.operation, DefineDrive)
    assert (step.operation.drive.target, step.operation.drive.place) == ("sdb", (0, 1))


def test_what_is_there_already_is_attached_as_it_is_and_grows() -> None:
    plan = present(chassis(running=(ROOT,)), THERE, path=THERE.path, size_gb=2.0, live=True)

    assert kinds(plan) == [
        ("WriteRecord", "now"),
        ("PlugDrive", "now"),
        ("DefineDrive", "now"),
        ("GrowDisk", "now"),
    ]
    assert operations(plan)[-1] == GrowDisk(UUID, THERE.path, 2 * GIB, True, "size_gb")
    assert operations(plan)[1].drive.discard is None
    with pytest.raises(InvalidSpec, match="can't shrink"):
        present(chassis(), THERE, path=THERE.path, size_gb=0.5)
    with pytest.raises(WrongState, match="next boot only"):
        present(chassis(running=(ROOT,)), THERE, path=THERE.path, bus="sata", size_gb=2.0, live=True)
    with pytest.raises(InvalidSpec, match="not known"):
        present(chassis(), dataclasses.replace(THERE, size=None), path=THERE.path, size_gb=2.0)


def test_a_new_disk_needs_a_size_and_a_name_that_libvirt_takes() -> None:
    with pytest.raises(InvalidSpec, match="size_gb: is required for a new disk"):
        present(chassis(), None, target="vdb")
    with pytest.raises(InvalidSpec, match="target: of a new disk begins with"):
        present(chassis(), NEW, target="hda", size_gb=1.0)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"io": "native"}, "io"),
        ({"io": "native", "cache": "writeback"}, "io"),
        ({"shareable": True}, "shareable"),
        ({"limits": WantedLimits(total_iops_sec=1, read_iops_sec=1)}, "limits.total_iops_sec"),
        ({"limits": WantedLimits(total_bytes_sec=1, write_bytes_sec=1)}, "limits.total_bytes_sec"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        present(chassis(), NEW, target="vdb", size_gb=1.0, **fields)
    assert caught.value.field == field
    with pytest.raises(InvalidSpec):
        present(BOTH, target="vdb", live=True, **fields)


# One that is there


def test_another_disk_at_the_target_of_the_running_vm_is_another() -> None:
    other = dataclasses.replace(DATA, path="/d/other.qcow2")

    assert find_disk(WantedDisk(target="vdb"), chassis((ROOT, DATA), (ROOT, other)), None) == Found(DATA, None)
    plan = present(chassis((ROOT, DATA), (ROOT, other)), target="vdb", cache="none", live=True)
    assert kinds(plan) == [("SetDrive", "now")]  # the running VM has no such disk that could wait


def test_a_disk_that_is_as_it_is_wanted_needs_nothing_and_no_leave() -> None:
    assert present(BOTH, target="vdb", serial="data", bus="virtio", size_gb=1.0, size=GIB) == Plan()
    assert present(dataclasses.replace(BOTH, status="saved"), target="vdb") == Plan()


def test_settings_wait_for_the_next_boot_and_limits_do_not() -> None:
    plan = present(BOTH, target="vdb", cache="none", io="native", limits=WantedLimits(total_iops_sec=5), live=True)

    assert kinds(plan) == [("SetDrive", "now"), ("SetDrive", "next_boot"), ("LimitDrive", "now")]
    assert [one.names for one in operations(plan)[:2]] == [("limits",), ("cache", "io")]
    assert operations(plan)[2] == LimitDrive(UUID, "vdb", Limits(total_iops_sec=5))
    assert plan.next_boot == ["cache", "io"]
    assert plan.before == {"cache": None, "io": None, "limits": {}}
    assert plan.after == {"cache": "none", "io": "native", "limits": {"total_iops_sec": 5}}
    off = present(chassis((ROOT, DATA)), target="vdb", cache="none", serial="other")
    assert kinds(off) == [("SetDrive", "now")]


def test_what_the_definition_has_already_is_no_change() -> None:
    uncached = dataclasses.replace(DATA, cache="none")

    assert present(chassis((ROOT, uncached), (ROOT, DATA)), target="vdb", cache="none", live=True) == Plan()
    behind = present(chassis((ROOT, DATA), (ROOT, uncached)), target="vdb", cache="none", live=True)
    assert kinds(behind) == [("SetDrive", "now")]
    assert present(chassis((ROOT, uncached)), target="vdb", cache="default").after == {"cache": None}


def test_limits_of_the_running_vm_alone_are_set_right() -> None:
    limited = dataclasses.replace(DATA, limits=Limits(read_iops_sec=7))
    wanted = {"target": "vdb", "limits": WantedLimits(read_iops_sec=0), "live": True}

    plan = present(chassis((ROOT, DATA), (ROOT, limited)), **wanted)

    assert operations(plan) == [LimitDrive(UUID, "vdb", Limits())]
    assert (plan.before, plan.after) == ({"limits": {"read_iops_sec": 7}}, {"limits": {}})
    kept = present(BOTH, target="vdb", limits=WantedLimits(), live=True)
    assert kept == Plan()


def test_the_two_sides_are_brought_together() -> None:
    plan = present(chassis((ROOT, DATA), (ROOT,)), target="vdb", live=True)
    assert operations(plan) == [PlugDrive(UUID, DATA)]
    assert (plan.before, plan.after) == ({"running": False}, {"running": True})
    assert present(chassis((ROOT, DATA), (ROOT,), ports=0), target="vdb", live=True) == Plan()  # it still waits

    plan = present(chassis((ROOT,), (ROOT, DATA)), target="vdb", cache="none", live=True)
    assert operations(plan) == [DefineDrive(UUID, dataclasses.replace(DATA, cache="none"))]


def test_a_disk_grows_under_the_running_vm_and_by_its_newest_file() -> None:
    overlaid = dataclasses.replace(DATA, path="/d/data.snap", backing_paths=("/d/data.qcow2",))

    plan = present(chassis((ROOT, DATA), (ROOT, overlaid)), target="vdb", size_gb=2.0, size=GIB, live=True)

    assert operations(plan) == [GrowDisk(UUID, "/d/data.snap", 2 * GIB, True, "size_gb")]
    assert (plan.before, plan.after) == ({"size_gb": 1.0}, {"size_gb": 2.0})
    assert operations(present(chassis((ROOT, DATA)), target="vdb", size_gb=2.0, size=GIB))[0].live is False


@pytest.mark.parametrize(
    ("vm", "message"),
    [
        (BOTH, "VM must be stopped before its devices are changed, unless"),
        (chassis((ROOT, DATA), status="saved"), "VM is saved: start it, then stop it"),
        (chassis((ROOT, DATA), record=dataclasses.replace(RECORD, incomplete=True)), "is being created"),
    ],
)
def test_a_vm_that_must_not_be_changed_now_says_why(vm: Chassis, message: str) -> None:
    for plan in (lambda: present(vm, target="vdb", cache="none"), lambda: absent(vm, target="vdb")):
        with pytest.raises(WrongState, match=message):
            plan()


def test_a_transient_vm_takes_what_can_be_done_live_only() -> None:
    vm = chassis(None, (ROOT, DATA))

    assert kinds(present(vm, NEW, serial="new", size_gb=1.0, live=True)) == [("AddVolume", "now"), ("PlugDrive", "now")]
    assert kinds(present(vm, target="vdb", limits=WantedLimits(read_iops_sec=1), live=True)) == [("LimitDrive", "now")]
    with pytest.raises(WrongState, match="transient"):
        present(vm, target="vdb", cache="none", live=True)


# Gone


def test_a_disk_is_unplugged_before_it_is_taken_out_and_then_deleted() -> None:
    plan = absent(BOTH, "/d/data.qcow2", target="vdb", live=True, timeout=5.0)

    assert operations(plan) == [
        UnplugDrive(UUID, "vdb", 5.0), UndefineDrive(UUID, "vdb"), DeleteVolume("/d/data.qcow2"),
    ]  # fmt: skip
    assert plan.before == {"state": "present", "target": "vdb", "path": "/d/data.qcow2"}
    assert plan.after == {"state": "absent"}
    assert absent(BOTH, target="vdx", live=True) == Plan()
    assert kinds(absent(chassis((ROOT, DATA)), target="vdb")) == [("UndefineDrive", "now")]
    assert kinds(absent(chassis((ROOT,), (ROOT, DATA)), target="vdb", live=True)) == [("UnplugDrive", "now")]


def test_one_that_can_not_be_unplugged_waits_and_is_not_deleted() -> None:
    sata = dataclasses.replace(DATA, target="sdb", bus="sata")
    vm = chassis((ROOT, sata), (ROOT, sata))

    plan = absent(vm, target="sdb", live=True)
    assert (kinds(plan), plan.next_boot) == ([("UndefineDrive", "next_boot")], ["state"])
    with pytest.raises(WrongState, match="must be stopped before disk sdb is deleted"):
        absent(vm, "/d/data.qcow2", target="sdb", live=True, delete="owned")
    assert absent(chassis((ROOT,), (ROOT, sata)), target="sdb", live=True) == Plan()  # again: it waits


def test_the_root_disk_and_a_protected_vms_disk_are_guarded() -> None:
    vm = chassis((SEED, ROOT, DATA))

    with pytest.raises(Protected, match="Disk vda is the root disk") as caught:
        absent(vm, target="vda")
    assert caught.value.field == "detach_root"
    assert absent(vm, target="vda", detach_root=True).changed
    guarded = dataclasses.replace(vm, record=dataclasses.replace(RECORD, protected=True))
    with pytest.raises(Protected, match="is protected") as caught:
        absent(guarded, "/d/data.qcow2", target="vdb", delete="owned")
    assert caught.value.field == "delete"
    assert absent(guarded, target="vdb").changed


def test_a_paused_guest_can_not_let_go() -> None:
    with pytest.raises(HostlerError, match="VM is paused: its guest can't let go of disk vdb"):
        absent(dataclasses.replace(BOTH, status="paused"), target="vdb", live=True)


def test_what_is_planned_is_what_the_xml_gets() -> None:
    (_, step) = present(chassis(), NEW, serial="new", size_gb=1.0).steps
    assert isinstance(step.operation, DefineDrive)

    assert read_drives(with_drive(xml_of((ROOT,)), step.operation.drive))[-1] == step.operation.drive
