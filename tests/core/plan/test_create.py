# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a new VM: what it is made of, in which order, what it says, and what this host can't give."""

import dataclasses
import json
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.abilities import Abilities
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    InvalidSpec,
    NameTaken,
    NotEnoughSpace,
    Unsupported,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.create import plan_create, spec_as_data
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.machine_steps import (
    DefineDomain,
    SetAutostart,
    WriteRecord,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power_steps import StartDomain
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Applies, Plan
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import PoolFacts
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volume_steps import CreateVolume, WriteSeed
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import (
    CloudInit,
    DiskConfig,
    MachineSpec,
    NetworkConfig,
)
from tests.core.machines import GIB, IMAGE, IMAGES, MIB, RECORD, SPEC, SURROUNDINGS, UUID

FULL = dataclasses.replace(
    SPEC,
    image="debian.qcow2",
    cloud_init=CloudInit(hostname="web", user_data="#cloud-config\npassword: hunter2\n", network_config="psk: hunter3"),
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
    assert operations(planned(FULL, start=True, images=IMAGES)) == [
        DefineDomain,
        CreateVolume,
        WriteSeed,
        SetAutostart,
        StartDomain,
        WriteRecord,
    ]


def test_the_definition_is_marked_incomplete_and_the_last_record_is_not() -> None:
    plan = planned(FULL, images=IMAGES)

    assert one(plan, DefineDomain).definition.record == dataclasses.replace(RECORD, incomplete=True)
    assert one(plan, WriteRecord).record == RECORD


def test_the_definition_names_the_very_volumes_that_are_made() -> None:
    plan = planned(FULL, images=IMAGES)

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
        for step in plan_create(spec, dataclasses.replace(SURROUNDINGS, images=IMAGES), record).steps
        if isinstance(step.operation, (CreateVolume, WriteSeed))
    }

    assert len(names) == 8


@pytest.mark.parametrize(
    ("mode", "image", "expected"),
    [
        ("copy", None, (None, None, "copy")),
        ("backing", None, (None, None, "backing")),
        ("copy", "debian.qcow2", ("images", "debian.qcow2", "copy")),
        ("backing", "debian.qcow2", ("images", "debian.qcow2", "backing")),
    ],
)
def test_the_root_disk_is_blank_or_comes_from_the_image(mode: str, image: Any, expected: tuple[Any, ...]) -> None:
    volume = one(planned(dataclasses.replace(SPEC, image=image, image_mode=mode), images=IMAGES), CreateVolume)

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
        planned(pool=PoolFacts("lvm", kind, "/dev/vg", 100 * GIB, 100 * GIB))
    assert caught.value.field == "pool"


def test_a_disk_smaller_than_its_image_is_refused_and_the_least_size_said_will_do() -> None:
    odd = {"debian.qcow2": dataclasses.replace(IMAGE, capacity=2 * GIB + 512)}
    spec = dataclasses.replace(SPEC, image="debian.qcow2")

    with pytest.raises(InvalidSpec) as caught:
        planned(dataclasses.replace(spec, disk_gb=2.0), images=odd)
    assert caught.value.field == "disk_gb"
    assert "2.001 GiB" in caught.value.message

    planned(dataclasses.replace(spec, disk_gb=2.001), images=odd)
    planned(dataclasses.replace(spec, disk_gb=2), images=IMAGES)


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (SPEC, "disk_gb"),
        (dataclasses.replace(SPEC, disk_gb=1, disks=(DiskConfig(1), DiskConfig(10))), "disks.1.size_gb"),
    ],
)
def test_a_disk_larger_than_its_whole_pool_is_refused(spec: MachineSpec, field: str) -> None:
    pool = PoolFacts("default", "dir", "/disks", 10 * GIB - 1, 10 * GIB - 1)

    with pytest.raises(NotEnoughSpace, match="'default' holds 10 GiB in all, less than the 10 GiB") as caught:
        planned(spec, pool=pool)
    assert caught.value.field == field
    planned(spec, pool=dataclasses.replace(pool, capacity=10 * GIB))


def test_disks_may_promise_more_than_is_free() -> None:
    """They are thin: how far the promises go beyond the space is the operator's choice."""
    planned(
        dataclasses.replace(SPEC, disks=(DiskConfig(10),) * 24),
        pool=PoolFacts("default", "dir", "/disks", 10 * GIB, 0),
    )


@pytest.mark.parametrize(
    ("modes", "free", "field"),
    [
        ([], GIB - 1, "image"),
        (["copy"], GIB, "disks.0.image"),
        (["backing", "copy"], 2 * GIB - 1, "disks.1.image"),
        (["copy"], 2 * GIB, None),
        (["backing", "backing"], GIB, None),
    ],
)
def test_copies_of_images_need_the_space_that_their_images_take(modes: list[str], free: int, field: str | None) -> None:
    spec = dataclasses.replace(
        SPEC, image="debian.qcow2", disks=tuple(DiskConfig(10, "debian.qcow2", mode) for mode in modes)
    )
    pool = PoolFacts("default", "dir", "/disks", 100 * GIB, free)

    if field is None:
        planned(spec, pool=pool, images=IMAGES)
        return
    with pytest.raises(NotEnoughSpace, match=r"'default' has .* GiB free, less than the . GiB that copies") as caught:
        planned(spec, pool=pool, images=IMAGES)
    assert caught.value.field == field


# Further disks and cards


def test_each_further_disk_is_a_volume_of_its_own_made_before_the_seed() -> None:
    spec = dataclasses.replace(FULL, disks=(DiskConfig(1), DiskConfig(2.5, "debian.qcow2", "backing", "scsi")))

    plan = planned(spec, images=IMAGES)

    assert operations(plan)[:5] == [DefineDomain, CreateVolume, CreateVolume, CreateVolume, WriteSeed]
    root, blank, overlay = [step.operation for step in plan.steps if isinstance(step.operation, CreateVolume)]
    assert [volume.name for volume in (root, blank, overlay)] == [
        f"web-1-{UUID[:8]}-{what}.qcow2" for what in ("root", "disk1", "disk2")
    ]
    assert (blank.image, blank.capacity) == (None, GIB)
    assert (overlay.image_pool, overlay.image, overlay.image_mode) == ("images", "debian.qcow2", "backing")
    assert (overlay.capacity, overlay.image_field) == (2.5 * GIB, "disks.1.image")
    assert [disk.path for disk in one(plan, DefineDomain).definition.disks[:3]] == [
        f"/disks/{volume.name}" for volume in (root, blank, overlay)
    ]
    assert plan.steps[3].title == "Create a disk of 2.5 GiB in pool 'default' from image 'debian.qcow2'"


def test_every_disk_smaller_than_its_image_is_named() -> None:
    spec = dataclasses.replace(
        SPEC, disk_gb=1, image="debian.qcow2", disks=(DiskConfig(2, "debian.qcow2"), DiskConfig(1.5, "debian.qcow2"))
    )

    with pytest.raises(InvalidSpec) as caught:
        planned(spec, images=IMAGES)
    assert [error.field for error in caught.value.errors] == ["disk_gb", "disks.1.size_gb"]


# What the host's QEMU can't give


@pytest.mark.parametrize(
    ("abilities", "spec", "field"),
    [
        (Abilities(uefi=False), {"firmware": "uefi"}, "firmware"),
        (Abilities(secure_boot=False), {"firmware": "uefi", "secure_boot": True}, "secure_boot"),
        (Abilities(tpm=False), {"tpm": True}, "tpm"),
        (Abilities(max_vcpus=8), {"cpu_cores": 9}, "cpu_cores"),
        (Abilities(max_vcpus=8), {"max_cpu_cores": 9}, "max_cpu_cores"),
        (Abilities(max_vcpus=288), {"cpu_cores": 256}, "cpu_cores"),
        (Abilities(), {"max_cpu_cores": 256}, "max_cpu_cores"),
    ],
)
def test_what_the_host_can_not_give_is_refused_by_name(abilities: Abilities, spec: dict[str, Any], field: str) -> None:
    wanted = dataclasses.replace(SPEC, **spec)

    with pytest.raises(Unsupported) as caught:
        planned(wanted, abilities=abilities)
    assert caught.value.field == field
    nothing = Abilities(max_vcpus=2, uefi=False, secure_boot=False, tpm=False)
    planned(SPEC, abilities=nothing)  # which asks for nothing special


@pytest.mark.parametrize(
    "spec",
    [{"firmware": "uefi"}, {"firmware": "uefi", "secure_boot": True}, {"tpm": True}, {"max_cpu_cores": 255}],
)
def test_what_the_host_can_not_tell_is_tried(spec: dict[str, Any]) -> None:
    assert planned(dataclasses.replace(SPEC, **spec), abilities=Abilities()).changed


def test_errors_are_of_the_core() -> None:
    for surroundings in ({"taken_names": frozenset({"web-1"})}, {"pool": PoolFacts("p", "x", "/", 0, 0)}):
        with pytest.raises(HostlerError):
            planned(**surroundings)


def test_before_is_nothing_and_after_is_the_spec_and_its_power() -> None:
    plan = planned(FULL, images=IMAGES, start=True)

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


def test_secrets_are_in_the_plan_and_in_nothing_that_is_shown() -> None:
    plan = planned(FULL, images=IMAGES)

    content = one(plan, WriteSeed).content
    assert "hunter2" in content.user_data
    assert "hunter3" in content.network_config
    for shown in (json.dumps(plan.as_data()), repr(plan), repr(FULL)):
        assert "hunter" not in shown
    assert plan.after["cloud_init"] == {
        "hostname": "web",
        "user_data": "(not shown)",
        "network_config": "(not shown)",
    }


def test_the_diff_is_plain_data_without_what_is_left_out() -> None:
    assert spec_as_data(SPEC) == {
        "name": "web-1",
        "cpu_cores": 2,
        "memory_mb": 1024,
        "disk_gb": 10,
        "image_mode": "copy",
        "os_type": "linux",
        "firmware": "bios",
        "network_config": {"type": "nat", "model": "virtio"},
    }
    assert spec_as_data(dataclasses.replace(SPEC, cloud_init=CloudInit()))["cloud_init"] == {}
    full = dataclasses.replace(FULL, disks=(DiskConfig(2),), nics=(NetworkConfig("bridge", "br0"),), tpm=True)
    assert json.loads(json.dumps(spec_as_data(full))) == spec_as_data(full)
    assert spec_as_data(full)["disks"] == [{"size_gb": 2, "image_mode": "copy", "bus": "virtio"}]
    assert spec_as_data(full)["nics"] == [{"type": "bridge", "bridge_name": "br0", "model": "virtio"}]
    assert spec_as_data(full)["tpm"] is True


def test_titles_are_for_people() -> None:
    titles = [step.title for step in planned(FULL, start=True, images=IMAGES).steps]

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
