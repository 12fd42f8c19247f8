# SPDX-License-Identifier: GPL-3.0-or-later
"""Which snapshots can be removed, and whom that would harm."""

import dataclasses

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError, Unsupported, WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_removal import removals
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_steps import RemoveSnapshot
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_wish import SnapshotSurroundings
from ansible_collections.hostler.libvirt.plugins.module_utils.snapshot import Snapshot
from tests.core.machines import UUID
from tests.core.snapshots import AROUND, external, internal, on, vm

NEW = dataclasses.replace(AROUND, handles_external=True)
# one inside, and two beside the disks after it
FIRST = internal("first")
SECOND = external("second", "first")
THIRD = external("third", "second", path="/disks/second")
CHAIN = [FIRST, SECOND, THIRD]


def test_each_that_goes_is_a_step_in_the_order_in_which_they_were_given() -> None:
    steps = list(removals(vm(on("/disks/third")), CHAIN[1:], [THIRD, SECOND], AROUND, timeout=7))

    assert [step.operation for step in steps] == [RemoveSnapshot(UUID, "third", 7), RemoveSnapshot(UUID, "second", 7)]
    assert steps[0].title == "Remove snapshot 'third' of VM 'web-1'"


def refusal(
    kind: type[HostlerError],
    machine: ObservedMachine,
    present: list[Snapshot],
    going: list[Snapshot],
    around: SnapshotSurroundings,
) -> str:
    with pytest.raises(kind) as caught:
        list(removals(machine, present, going, around, 1))
    return caught.value.message


def test_one_whose_file_holds_others_stays_for_libvirt_would_delete_them_with_the_file() -> None:
    inside = internal("inside", "third", path="/disks/third")
    machine = vm(on("/disks/third"), status="running")

    for around in (AROUND, NEW):
        assert "those inside of its files: 'inside'" in refusal(WrongState, machine, [*CHAIN, inside], [THIRD], around)
    assert len(list(removals(machine, [*CHAIN, inside], [inside, THIRD], AROUND, 1))) == 2


def test_one_whose_files_somebody_else_needs_stays() -> None:
    around = dataclasses.replace(NEW, users={"second": "VM 'clone' uses /disks/web-1.qcow2"})
    machine = vm(on("/disks/third"), status="running")

    says = refusal(WrongState, machine, CHAIN, [SECOND], around)
    assert says == "Snapshot 'second' can't be removed: VM 'clone' uses /disks/web-1.qcow2"
    assert len(list(removals(machine, CHAIN, [THIRD], around, 1))) == 1


def test_an_old_libvirt_merges_none_into_the_files_of_one_inside_them() -> None:
    machine = vm(on("/disks/third"), status="running")

    assert "after 'first', which is inside the disks" in refusal(Unsupported, machine, CHAIN, [SECOND], AROUND)
    assert len(list(removals(machine, CHAIN, [SECOND], NEW, 1))) == 1
    assert len(list(removals(machine, CHAIN, [THIRD], AROUND, 1))) == 1


def test_an_old_libvirt_removes_only_the_last_one_beside_the_disks_of_a_vm_that_is_off() -> None:
    off, present = vm(on("/disks/third")), CHAIN[1:]

    assert "while the VM is off" in refusal(WrongState, off, present, [SECOND], AROUND)
    assert len(list(removals(off, present, [THIRD], AROUND, 1))) == 1
    assert len(list(removals(off, present, [SECOND], NEW, 1))) == 1
    assert len(list(removals(vm(on("/disks/third"), status="running"), present, [SECOND], AROUND, 1))) == 1


def test_one_beside_the_disks_of_a_saved_vm_stays_as_its_memory_knows_the_files() -> None:
    saved = vm(on("/disks/third"), status="saved")

    assert "VM is saved" in refusal(WrongState, saved, CHAIN, [THIRD], NEW)
    assert len(list(removals(saved, CHAIN, [FIRST], NEW, 1))) == 1


@pytest.mark.parametrize("status", ["running", "paused"])
def test_one_inside_a_file_that_a_running_vm_only_reads_waits_until_it_is_off(status: str) -> None:
    machine = vm(on("/disks/third"), status=status)

    assert "VM must be stopped" in refusal(WrongState, machine, CHAIN, [FIRST], NEW)
    assert len(list(removals(vm(on("/disks/third")), CHAIN, [FIRST], NEW, 1))) == 1
    assert len(list(removals(vm(status=status), [FIRST], [FIRST], NEW, 1))) == 1


def test_one_that_does_not_say_what_its_vm_was_can_be_removed() -> None:
    bare: Snapshot = internal("bare", domain=None)

    assert len(list(removals(vm(status="running"), [bare], [bare], AROUND, 1))) == 1
