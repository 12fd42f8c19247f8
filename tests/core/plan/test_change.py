# SPDX-License-Identifier: GPL-3.0-or-later
"""What brings a VM to other sizes, and what doesn't."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.edit import SizeEdit
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec, WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedDisk
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.change import MUST_BE_STOPPED, plan_resize
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Applies, GrowDisk, Plan, ResizeDomain
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
    }
    assert {step.applies for step in plan.steps} == {Applies.OFF}


def test_only_what_differs_is_in_the_steps_and_in_the_diff() -> None:
    plan = plan_resize(observed(), Resources(2, 512, 10))

    assert [step.operation for step in plan.steps] == [ResizeDomain(UUID, SizeEdit(None, 512 * 1024))]
    assert (plan.before, plan.after) == ({"memory_mb": 1024}, {"memory_mb": 512})


@pytest.mark.parametrize("status", ["running", "paused", "suspended", "stopping", "saved", "unknown", "creating"])
def test_a_vm_that_is_not_off_keeps_its_sizes(status: str) -> None:
    machine = observed(status=status, is_active=status not in ("saved", "creating"))

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
