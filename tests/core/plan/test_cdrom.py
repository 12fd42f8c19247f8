# SPDX-License-Identifier: GPL-3.0-or-later
"""What would be done to a CD-ROM drive: which it is, what of it can be done while the VM runs, and what is refused."""

import dataclasses
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.drive import Drive
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec, WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.cdrom import (
    WantedCdrom,
    find_cdrom,
    plan_cdrom,
    validate_cdrom,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.chassis import Chassis
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.device_steps import (
    ChangeMedium,
    DefineDrive,
    DefineMedium,
    UndefineDrive,
    UnplugDrive,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.disk import Source
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan
from tests.core.machines import UUID
from tests.core.plan.test_disk import ROOT, chassis, kinds, operations

SEED = Drive(
    "cdrom", "sda", bus="scsi", path=f"/d/web-1-{UUID[:8]}-seed-0123.iso", format="raw", read_only=True, place=(0, 0)
)
EMPTY = Drive("cdrom", "sdb", bus="scsi", format="raw", read_only=True, place=(0, 1))
FULL = dataclasses.replace(EMPTY, path="/isos/a.iso")
ISO = Source("/isos/b.iso", "raw")


def planned(vm: Chassis, medium: Source | None = None, **fields: Any) -> Plan:
    wanted = validate_cdrom(WantedCdrom(**fields))
    return plan_cdrom(wanted, vm, find_cdrom(wanted, vm), medium)


BOTH = chassis((ROOT, SEED, FULL), (ROOT, SEED, FULL))


def test_the_seeds_drive_is_left_alone_unless_it_is_named() -> None:
    assert find_cdrom(WantedCdrom(), BOTH).drive == FULL
    assert find_cdrom(WantedCdrom(), chassis((ROOT, SEED))).drive is None
    assert find_cdrom(WantedCdrom(target="sda"), BOTH).drive == SEED
    assert planned(chassis((ROOT, SEED)), state="absent") == Plan()
    theirs = chassis((ROOT, SEED), record=None)  # whose seed that is nobody knows
    assert find_cdrom(WantedCdrom(), theirs).drive == SEED


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"target": "vda"}, "target", "is a disk, and no CD-ROM drive"),
        ({}, "target", r"several CD-ROM drives \(sdb, sdc\)"),
        ({"target": "sdb", "bus": "sata"}, "bus", "of drive sdb is scsi"),
    ],
)
def test_what_is_no_drive_or_one_of_several_is_refused(fields: dict[str, Any], field: str, message: str) -> None:
    two = chassis((ROOT, SEED, FULL, dataclasses.replace(EMPTY, target="sdc", place=(0, 2))))

    with pytest.raises(InvalidSpec, match=message) as caught:
        planned(two, **fields)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"path": "a.iso"}, "path"),
        ({"path": "/a/../b.iso"}, "path"),
        ({"path": "/a", "volume": "a"}, "volume"),
        ({"volume": "../a"}, "volume"),
        ({"state": "ejected", "path": "/a"}, "path"),
        ({"state": "absent", "volume": "a"}, "volume"),
        ({"target": "vda", "bus": "scsi"}, "target"),
        ({"target": "x"}, "target"),
        ({"timeout": -1.0}, "timeout"),
    ],
)
def test_what_can_be_of_no_vm_is_refused_by_its_field(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        validate_cdrom(WantedCdrom(**fields))
    assert caught.value.field == field


def test_a_new_drive_is_plugged_in_with_its_medium_and_an_empty_one_waits() -> None:
    vm = chassis((ROOT, SEED), (ROOT, SEED))

    plan = planned(vm, ISO, path=ISO.path, live=True)
    assert kinds(plan) == [("PlugDrive", "now"), ("DefineDrive", "now")]
    assert operations(plan)[1] == DefineDrive(UUID, dataclasses.replace(EMPTY, path=ISO.path))
    assert plan.after == {"state": "present", "target": "sdb", "bus": "scsi", "medium": ISO.path}
    empty = planned(vm, live=True)
    assert (kinds(empty), empty.next_boot) == ([("DefineDrive", "next_boot")], ["state"])
    assert kinds(planned(vm, ISO, path=ISO.path, bus="sata", live=True)) == [("DefineDrive", "next_boot")]
    assert kinds(planned(chassis((ROOT, SEED)), ISO, path=ISO.path)) == [("DefineDrive", "now")]
    with pytest.raises(WrongState, match="transient"):
        planned(chassis(None, (ROOT,)), live=True)
    with pytest.raises(InvalidSpec, match="begins with sd"):
        planned(vm, target="hda")


def test_the_bus_suits_the_vm() -> None:
    sata = dataclasses.replace(ROOT, target="sda", bus="sata", place=(0, 0))

    def bus(vm: Chassis) -> tuple[str | None, int | None]:
        (operation,) = operations(planned(vm))
        return operation.drive.bus, operation.controller

    assert bus(chassis()) == ("scsi", None)
    assert bus(chassis((sata,))) == ("scsi", None)
    assert bus(chassis((sata,), scsi=False)) == ("sata", None)
    assert bus(chassis(scsi=False)) == ("scsi", 0)


def test_a_medium_is_changed_on_both_sides() -> None:
    plan = planned(BOTH, ISO, path=ISO.path, live=True, force=True)

    assert operations(plan) == [
        ChangeMedium(UUID, "sdb", ISO.path, False, True), DefineMedium(UUID, "sdb", ISO.path),
    ]  # fmt: skip
    assert (plan.before, plan.after, plan.next_boot) == ({"medium": FULL.path}, {"medium": ISO.path}, [])
    assert kinds(planned(chassis((ROOT, FULL)), ISO, volume="b.iso")) == [("DefineMedium", "now")]
    plugged = planned(chassis((ROOT, EMPTY), (ROOT,)), ISO, volume="b.iso", live=True)  # it waited for a medium
    assert kinds(plugged) == [("PlugDrive", "now"), ("DefineMedium", "now")]
    assert plugged.after == {"running": True, "medium": ISO.path}
    waits = planned(chassis((ROOT, FULL), (ROOT,), scsi=False), ISO, volume="b.iso", live=True)
    assert (kinds(waits), waits.next_boot) == ([("DefineMedium", "next_boot")], ["volume"])
    assert planned(BOTH, Source(FULL.path or "", "raw"), path=FULL.path) == Plan()
    assert planned(BOTH) == Plan()  # what is in it stays
    one_side = planned(chassis((ROOT, EMPTY), (ROOT, FULL)), state="ejected", live=True)
    assert operations(one_side) == [ChangeMedium(UUID, "sdb", None)]
    assert one_side.before == {"medium": FULL.path}


def test_it_is_ejected_and_taken_away() -> None:
    ejected = planned(BOTH, state="ejected", live=True)
    assert operations(ejected) == [ChangeMedium(UUID, "sdb", None), DefineMedium(UUID, "sdb", None)]
    assert planned(chassis((ROOT, EMPTY)), state="ejected") == Plan()
    assert planned(chassis(), state="ejected") == Plan()

    gone = planned(BOTH, state="absent", live=True, timeout=9.0)
    assert operations(gone) == [UnplugDrive(UUID, "sdb", 9.0), UndefineDrive(UUID, "sdb")]
    sata = dataclasses.replace(FULL, bus="sata")
    waits = planned(chassis((ROOT, sata), (ROOT, sata)), state="absent", live=True)
    assert (kinds(waits), waits.next_boot) == ([("UndefineDrive", "next_boot")], ["state"])
    assert planned(chassis((ROOT,), (ROOT, sata)), state="absent", live=True) == Plan()


def test_a_vm_that_must_not_be_changed_now_says_why() -> None:
    for fields in ({"state": "ejected"}, {"state": "absent"}):
        with pytest.raises(WrongState, match="unless that may be done live"):
            planned(BOTH, **fields)
        with pytest.raises(WrongState, match="VM is saved"):
            planned(chassis((ROOT, FULL), status="saved"), **fields)
