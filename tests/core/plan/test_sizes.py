# SPDX-License-Identifier: GPL-3.0-or-later
"""What brings a VM to other sizes, and what doesn't."""

import dataclasses
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.size_edit import SizeEdit
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec, WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedDisk, ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.machine_steps import (
    PlugMemory,
    PlugVcpus,
    ResizeDomain,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.sizes import MUST_BE_STOPPED, TRANSIENT, plan_resize
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Applies, Plan
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volume_steps import GrowDisk
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import Resources, disk_bytes, disk_gib
from tests.core.machines import GIB, MIB, UUID, observed


def test_the_same_sizes_are_no_change_on_a_vm_that_runs() -> None:
    running = observed(status="running", is_active=True)

    for wanted in (Resources(), Resources(2, 1024, 10), Resources(cpu_cores=2), Resources(disk_gb=10.0)):
        assert plan_resize(running, wanted) == Plan()


def test_vcpus_and_memory_change_in_one_step_and_the_disk_in_another() -> None:
    plan = plan_resize(observed(), Resources(4, 2048, 20))

    assert [step.operation for step in plan.steps] == [
        ResizeDomain(UUID, SizeEdit(4, 2048 * 1024)),
        GrowDisk(UUID, "/disks/web-1.qcow2", 20 * GIB),
    ]
    assert plan.as_data() == {
        "changed": True,
        "steps": [
            {"title": "Set 4 vCPUs, 2048 MiB of memory", "applies": "off"},
            {"title": "Grow the root disk to 20 GiB", "applies": "off"},
        ],
        "before": {"cpu_cores": 2, "memory_mb": 1024, "disk_gb": 10},
        "after": {"cpu_cores": 4, "memory_mb": 2048, "disk_gb": 20},
        "next_boot": [],
    }
    assert {step.applies for step in plan.steps} == {Applies.OFF}


def test_only_what_differs_is_in_the_steps_and_in_the_diff() -> None:
    plan = plan_resize(observed(), Resources(2, 512, 10))

    assert [step.operation for step in plan.steps] == [ResizeDomain(UUID, SizeEdit(None, 512 * 1024))]
    assert (plan.before, plan.after) == ({"memory_mb": 1024}, {"memory_mb": 512})


@pytest.mark.parametrize("status", ["running", "paused", "suspended", "stopping", "unknown", "creating"])
def test_a_vm_that_is_not_off_keeps_its_sizes(status: str) -> None:
    machine = observed(status=status, is_active=status != "creating")

    for wanted in (Resources(cpu_cores=4), Resources(memory_mb=2048), Resources(disk_gb=20)):
        with pytest.raises(WrongState, match=f"^{MUST_BE_STOPPED}$"):
            plan_resize(machine, wanted)


def test_the_message_is_the_apis_own() -> None:
    assert MUST_BE_STOPPED == "VM must be stopped before resizing"


def test_a_crashed_vm_is_off() -> None:
    assert plan_resize(observed(status="crashed"), Resources(4)).changed


@pytest.mark.parametrize("disk_gb", [9.999, 9, 0.001])
def test_a_disk_never_shrinks(disk_gb: float) -> None:
    for status in ("stopped", "running"):
        with pytest.raises(InvalidSpec, match="can't shrink: it has 10 GiB") as caught:
            plan_resize(observed(status=status), Resources(disk_gb=disk_gb))
        assert caught.value.field == "disk_gb"


def test_memory_that_shows_as_the_same_is_the_same() -> None:
    """Others give a VM a size that is no whole MiB; a diff from 1024 to 1024 helps nobody."""
    odd = observed(memory_kib=1024 * 1024 + 4, status="running")

    assert plan_resize(odd, Resources(memory_mb=1024)) == Plan()
    with pytest.raises(WrongState):
        plan_resize(odd, Resources(memory_mb=1025))


@pytest.mark.parametrize("size", [10 * GIB + 1, 10 * GIB - 1, 10 * GIB + 512, 10 * GIB + 400 * 1024])
def test_a_disk_that_shows_as_the_same_is_the_same(size: int) -> None:
    assert plan_resize(observed(disk_size=size, status="running"), Resources(disk_gb=10)) == Plan()


@given(st.floats(min_value=0.001, max_value=64 * 1024))
def test_a_disk_made_for_a_size_has_it_and_has_the_size_it_shows(disk_gb: float) -> None:
    size = disk_bytes(disk_gb)
    machine = observed(disk_size=size, status="running")

    assert plan_resize(machine, Resources(disk_gb=disk_gb)) == Plan()
    assert plan_resize(machine, Resources(disk_gb=disk_gib(size))) == Plan()


@given(st.integers(1, 1024 * 64), st.integers(2, 1024))
def test_a_disk_grows_to_what_is_asked(mib: int, more: int) -> None:
    wanted = (mib + more) / 1024
    plan = plan_resize(observed(disk_size=mib * MIB), Resources(disk_gb=wanted))

    (step,) = plan.steps
    assert step.operation == GrowDisk(UUID, "/disks/web-1.qcow2", (mib + more) * MIB)
    assert plan.before != plan.after


def test_a_vm_without_a_root_disk_that_is_known_has_none_to_grow() -> None:
    diskless = observed(disks=())
    unknown = observed(disk_size=None)
    networked = observed(disks=(ObservedDisk("vda", "disk", None, "raw", GIB),))
    cdrom = observed(disks=(ObservedDisk("sda", "cdrom", "/a.iso", "raw", GIB),))

    for machine in (diskless, unknown, networked, cdrom):
        with pytest.raises(InvalidSpec) as caught:
            plan_resize(machine, Resources(disk_gb=20))
        assert caught.value.field == "disk_gb"
        assert plan_resize(machine, Resources(cpu_cores=3)).changed


def test_the_root_disk_is_the_first_that_is_one() -> None:
    seed = ObservedDisk("sda", "cdrom", "/seed.iso", "raw", None)
    root = ObservedDisk("vda", "disk", "/root.qcow2", "qcow2", GIB)
    data = ObservedDisk("vdb", "disk", "/data.qcow2", "qcow2", 5 * GIB)
    plan = plan_resize(dataclasses.replace(observed(), disks=(seed, root, data)), Resources(disk_gb=2))

    assert [step.operation for step in plan.steps] == [GrowDisk(UUID, "/root.qcow2", 2 * GIB)]


# While it runs


def running(defined: dict[str, Any] | None = None, **now: Any) -> ObservedMachine:
    """A VM that runs with 2 vCPUs and 1 GiB, with room for 8 and for 4 GiB; ``now`` is what of it differs."""
    room = {"max_vcpus": 8, "max_memory_kib": 4 * 1024**2, "memory_slots": 16}
    machine = observed(status="running", is_active=True)
    definition = dataclasses.replace(machine.definition, **{**room, **(defined or {})})
    return dataclasses.replace(
        machine, definition=definition, running=dataclasses.replace(machine.definition, **{**room, **now})
    )


def test_a_vm_with_room_grows_at_once_and_its_definition_says_the_same() -> None:
    plan = plan_resize(running(), Resources(4, 2048, 20), live=True)

    assert [(step.operation, step.applies) for step in plan.steps] == [
        (ResizeDomain(UUID, SizeEdit(4, 2048 * 1024), live=True), Applies.NOW),
        (PlugVcpus(UUID, 4), Applies.NOW),
        (PlugMemory(UUID, 2048 * 1024), Applies.NOW),
        (GrowDisk(UUID, "/disks/web-1.qcow2", 20 * GIB, live=True), Applies.NOW),
    ]
    assert plan.next_boot == []
    assert plan.before == {"cpu_cores": 2, "memory_mb": 1024, "disk_gb": 10}
    assert plan.after == {"cpu_cores": 4, "memory_mb": 2048, "disk_gb": 20}


@pytest.mark.parametrize(
    ("now", "wanted", "operations"),
    [
        ({}, Resources(cpu_cores=12), [ResizeDomain(UUID, SizeEdit(12), live=True), PlugVcpus(UUID, 8)]),
        ({"max_vcpus": None}, Resources(cpu_cores=4), [ResizeDomain(UUID, SizeEdit(4), live=True)]),
        ({}, Resources(cpu_cores=1), [ResizeDomain(UUID, SizeEdit(1), live=True)]),
        (
            {},
            Resources(memory_mb=1300),
            [ResizeDomain(UUID, SizeEdit(None, 1300 * 1024), live=True), PlugMemory(UUID, 1280 * 1024)],
        ),
        (
            {},
            Resources(memory_mb=8192),
            [ResizeDomain(UUID, SizeEdit(None, 8192 * 1024), live=True), PlugMemory(UUID, 4096 * 1024)],
        ),
        ({}, Resources(memory_mb=1100), [ResizeDomain(UUID, SizeEdit(None, 1100 * 1024), live=True)]),
        ({}, Resources(memory_mb=512), [ResizeDomain(UUID, SizeEdit(None, 512 * 1024), live=True)]),
        (
            {"memory_modules": 16},
            Resources(memory_mb=2048),
            [ResizeDomain(UUID, SizeEdit(None, 2048 * 1024), live=True)],
        ),
        (
            {"max_memory_kib": None, "memory_slots": 0},
            Resources(memory_mb=2048),
            [ResizeDomain(UUID, SizeEdit(None, 2048 * 1024), live=True)],
        ),
        (
            {"further_numa_cells": 1},
            Resources(memory_mb=2048),
            [ResizeDomain(UUID, SizeEdit(None, 2048 * 1024), live=True)],
        ),
    ],
)
def test_what_can_not_be_done_while_it_runs_waits_for_the_next_boot(
    now: dict[str, Any], wanted: Resources, operations: list[Any]
) -> None:
    plan = plan_resize(running(**now), wanted, live=True)

    assert [step.operation for step in plan.steps] == operations
    assert plan.steps[0].applies is Applies.NEXT_BOOT
    assert plan.next_boot == ["cpu_cores" if wanted.cpu_cores else "memory_mb"]


def test_of_two_sizes_only_the_one_that_waits_is_said_to_wait() -> None:
    plan = plan_resize(running(), Resources(4, 512), live=True)

    assert [(step.operation, step.applies) for step in plan.steps] == [
        (ResizeDomain(UUID, SizeEdit(4, None), live=True), Applies.NOW),
        (ResizeDomain(UUID, SizeEdit(None, 512 * 1024), live=True), Applies.NEXT_BOOT),
        (PlugVcpus(UUID, 4), Applies.NOW),
    ]
    assert plan.next_boot == ["memory_mb"]


def test_a_size_that_waits_already_is_plugged_in_where_that_can_be_and_else_is_no_change() -> None:
    waiting = {"vcpus": 4, "memory_kib": 2 * 1024**2}

    plan = plan_resize(running(defined=waiting), Resources(4, 2048), live=True)
    assert [step.operation for step in plan.steps] == [PlugVcpus(UUID, 4), PlugMemory(UUID, 2 * 1024**2)]
    assert plan.before == {"cpu_cores": 2, "memory_mb": 1024}

    without_room = {"max_vcpus": None, "max_memory_kib": None, "memory_slots": 0}
    assert plan_resize(running(defined=waiting, **without_room), Resources(4, 2048), live=True) == Plan()


def test_live_is_nothing_to_a_vm_that_is_off() -> None:
    assert plan_resize(observed(), Resources(4, 2048, 20), live=True) == plan_resize(observed(), Resources(4, 2048, 20))
    for status in ("saved", "creating"):
        with pytest.raises(WrongState):
            plan_resize(observed(status=status), Resources(4), live=True)


@pytest.mark.parametrize("live", [True, False])
def test_a_saved_vm_goes_on_with_what_it_had_and_that_is_said(live: bool) -> None:
    for wanted in (Resources(cpu_cores=4), Resources(memory_mb=2048), Resources(disk_gb=20)):
        with pytest.raises(WrongState, match=r"^VM must be stopped before resizing; it is saved: start it, then stop"):
            plan_resize(observed(status="saved"), wanted, live=live)


def test_a_transient_vm_grows_live_and_no_other_way() -> None:
    transient = dataclasses.replace(running(), is_persistent=False)

    assert [step.operation for step in plan_resize(transient, Resources(4), live=True).steps] == [PlugVcpus(UUID, 4)]
    for wanted, live in ((Resources(4), False), (Resources(16), True), (Resources(1), True)):
        with pytest.raises(WrongState, match=rf"^{re.escape(TRANSIENT)}$"):
            plan_resize(transient, wanted, live)


@given(st.integers(1, 64), st.integers(32, 64 * 1024))
def test_a_running_vm_never_gets_more_than_is_asked_nor_than_it_has_room_for(vcpus: int, memory_mb: int) -> None:
    for step in plan_resize(running(), Resources(vcpus, memory_mb), live=True).steps:
        if isinstance(step.operation, PlugVcpus):
            assert 2 < step.operation.vcpus <= min(vcpus, 8)
        if isinstance(step.operation, PlugMemory):
            assert 1024**2 < step.operation.memory_kib <= min(memory_mb, 4096) * 1024
            assert (step.operation.memory_kib - 1024**2) % (128 * 1024) == 0
