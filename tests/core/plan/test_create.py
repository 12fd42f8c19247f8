# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a new VM: what it is made of, in which order, what it says, and what this host can't give."""

import dataclasses
import json
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    InvalidSpec,
    NameTaken,
    NotEnoughSpace,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.create import plan_create, spec_as_data
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import (
    Applies,
    CreateVolume,
    DefineDomain,
    Plan,
    SetAutostart,
    StartDomain,
    WriteRecord,
    WriteSeed,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import PoolFacts
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import CloudInit, MachineSpec
from tests.core.machines import GIB, IMAGE, MIB, RECORD, SPEC, SURROUNDINGS, UUID

FULL = dataclasses.replace(
    SPEC,
    image="debian.qcow2",
    cloud_init=CloudInit(hostname="web", user_data="#cloud-config\npassword: hunter2\n"),
    autostart=True,
    protected=True,
    description="<b> {{ x }}",
    tags=("a", "b"),
)


def planned(spec: MachineSpec = SPEC, start: bool = False, **surroundings: Any) -> Plan:
    return plan_create(spec, dataclasses.replace(SURROUNDINGS, **surroundings), RECORD, start)


def operations(plan: Plan) -> list[type]:
    return [type(step.operation) for step in plan.steps]


def one(plan: Plan, kind: type) -> Any:
    (found,) = [step.operation for step in plan.steps if isinstance(step.operation, kind)]
    return found


def test_the_domain_is_defined_first_and_completed_last() -> None:
    assert operations(planned()) == [DefineDomain, CreateVolume, WriteRecord]
    assert operations(planned(FULL, start=True, image=IMAGE)) == [
        DefineDomain,
        CreateVolume,
        WriteSeed,
        SetAutostart,
        StartDomain,
        WriteRecord,
    ]


def test_the_definition_is_marked_incomplete_and_the_last_record_is_not() -> None:
    plan = planned(FULL, image=IMAGE)

    assert one(plan, DefineDomain).definition.record == dataclasses.replace(RECORD, incomplete=True)
    assert one(plan, WriteRecord).record == RECORD


def test_the_definition_names_the_very_volumes_that_are_made() -> None:
    plan = planned(FULL, image=IMAGE)

    root, seed = one(plan, DefineDomain).definition.disks
    assert root.path == f"/disks/{one(plan, CreateVolume).name}"
    assert seed.path == f"/disks/{one(plan, WriteSeed).name}"
    assert (root.device, root.format) == ("disk", "qcow2")
    assert (seed.device, seed.format, seed.read_only, seed.bus) == ("cdrom", "raw", True, "scsi")


def test_volumes_of_two_vms_never_have_the_same_name() -> None:
    other = dataclasses.replace(RECORD, uuid="7" + UUID[1:])
    names = {
        step.operation.name
        for record in (RECORD, other)
        for spec in (FULL, dataclasses.replace(FULL, name="web-2"))
        for step in plan_create(spec, dataclasses.replace(SURROUNDINGS, image=IMAGE), record).steps
        if isinstance(step.operation, (CreateVolume, WriteSeed))
    }

    assert len(names) == 8


@pytest.mark.parametrize(
    ("mode", "image", "expected"),
    [
        ("copy", None, (None, None, "copy")),
        ("backing", None, (None, None, "backing")),
        ("copy", IMAGE, ("images", "debian.qcow2", "copy")),
        ("backing", IMAGE, ("images", "debian.qcow2", "backing")),
    ],
)
def test_the_root_disk_is_blank_or_comes_from_the_image(mode: str, image: Any, expected: tuple[Any, ...]) -> None:
    volume = one(planned(dataclasses.replace(SPEC, image_mode=mode), image=image), CreateVolume)

    assert (volume.image_pool, volume.image, volume.image_mode) == expected
    assert (volume.pool, volume.capacity, volume.format) == ("default", 10 * GIB, "qcow2")


def test_a_name_that_is_taken_is_refused() -> None:
    with pytest.raises(NameTaken, match="'web-1' already exists") as caught:
        planned(taken_names=frozenset({"web-1", "x"}))
    assert (caught.value.field, caught.value.code) == ("name", "name_taken")


def test_a_disk_that_an_earlier_vm_left_under_this_name_is_never_overwritten() -> None:
    volume = one(planned(), CreateVolume).name

    with pytest.raises(NameTaken, match=f"'default' already has a volume '{volume}'"):
        planned(taken_volumes=frozenset({volume}))


@pytest.mark.parametrize("kind", ["logical", "iscsi", "disk", "rbd", "zfs", ""])
def test_a_pool_without_files_is_refused(kind: str) -> None:
    with pytest.raises(InvalidSpec, match="'lvm' is of type") as caught:
        planned(pool=PoolFacts("lvm", kind, "/dev/vg", 100 * GIB))
    assert caught.value.field == "pool"


def test_a_disk_smaller_than_its_image_is_refused_and_the_least_size_said_will_do() -> None:
    odd = dataclasses.replace(IMAGE, capacity=2 * GIB + 512)

    with pytest.raises(InvalidSpec) as caught:
        planned(dataclasses.replace(SPEC, disk_gb=2.0), image=odd)
    assert caught.value.field == "disk_gb"
    assert "2.001 GiB" in caught.value.message

    planned(dataclasses.replace(SPEC, disk_gb=2.001), image=odd)
    planned(dataclasses.replace(SPEC, disk_gb=2), image=IMAGE)


def test_a_disk_larger_than_the_pool_is_refused() -> None:
    pool = PoolFacts("default", "dir", "/disks", 10 * GIB - 1)

    with pytest.raises(NotEnoughSpace, match="'default' has 10 GiB free, less than the 10 GiB") as caught:
        planned(pool=pool)
    assert caught.value.field == "disk_gb"
    planned(pool=dataclasses.replace(pool, available=10 * GIB))


def test_errors_are_of_the_core() -> None:
    for surroundings in ({"taken_names": frozenset({"web-1"})}, {"pool": PoolFacts("p", "x", "/", 0)}):
        with pytest.raises(HostlerError):
            planned(**surroundings)


def test_before_is_nothing_and_after_is_the_spec_and_its_power() -> None:
    plan = planned(FULL, image=IMAGE, start=True)

    assert plan.before == {}
    assert plan.after["state"] == "running"
    assert planned().after["state"] == "stopped"
    assert {key: plan.after[key] for key in ("name", "cpu_cores", "memory_mb", "disk_gb", "image", "tags")} == {
        "name": "web-1",
        "cpu_cores": 2,
        "memory_mb": 1024,
        "disk_gb": 10,
        "image": "debian.qcow2",
        "tags": ["a", "b"],
    }
    assert plan.changed


def test_user_data_is_in_the_plan_and_in_nothing_that_is_shown() -> None:
    plan = planned(FULL, image=IMAGE)

    assert "hunter2" in one(plan, WriteSeed).content.user_data
    shown = json.dumps(plan.as_data())
    assert "hunter2" not in shown
    assert plan.after["cloud_init"]["user_data"] == "(not shown)"


def test_the_diff_is_plain_data_without_what_is_left_out() -> None:
    assert spec_as_data(SPEC) == {
        "name": "web-1",
        "cpu_cores": 2,
        "memory_mb": 1024,
        "disk_gb": 10,
        "image_mode": "copy",
        "os_type": "linux",
        "firmware": "bios",
        "network_config": {"type": "nat"},
    }
    assert spec_as_data(dataclasses.replace(SPEC, cloud_init=CloudInit()))["cloud_init"] == {}
    assert json.loads(json.dumps(spec_as_data(FULL))) == spec_as_data(FULL)


def test_titles_are_for_people() -> None:
    titles = [step.title for step in planned(FULL, start=True, image=IMAGE).steps]

    assert titles == [
        "Define VM 'web-1'",
        "Create a disk of 10 GiB in pool 'default' from image 'debian.qcow2'",
        "Write the cloud-init seed",
        "Start the VM with its host",
        "Start VM 'web-1'",
        "Complete the VM's record",
    ]
    assert all(step.applies is Applies.NOW for step in planned().steps)


def test_a_disk_is_whole_mebibytes() -> None:
    assert one(planned(dataclasses.replace(SPEC, disk_gb=0.0001)), CreateVolume).capacity == MIB
