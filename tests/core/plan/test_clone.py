# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a clone, without a host: its steps, what it refuses, what of its seed and its room it thinks of."""

import dataclasses
from typing import Any

import pytest
import yaml

from ansible_collections.hostler.libvirt.plugins.module_utils.cloud_init import CloudInit
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import Disk
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import read_domain
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    InvalidSpec,
    NameTaken,
    NotEnoughSpace,
    Unsupported,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.clone import NEW_MACHINE_ID, plan_clone
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.clone_steps import CloneDisk, DefineClone
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.clone_wish import (
    CloneSource,
    CloneWish,
    SourceDisk,
    validate_clone,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.machine_steps import WriteRecord
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power_steps import StartDomain
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import PoolFacts
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volume_steps import WriteSeed
from tests.core.machines import GIB, MIB, OTHER_UUID, RECORD, UUID, observed

POOL = PoolFacts("default", "dir", "/disks", 200 * GIB, 100 * GIB)
DISK = SourceDisk("vda", "/disks/web-1.qcow2", "qcow2", 10 * GIB, 2 * GIB, POOL)
NEW = Record(OTHER_UUID, "2024-05-06T07:08:09Z", tags=("a",), cloned_from=UUID)
XML = (
    f"<domain type='qemu'><name>web-1</name><uuid>{UUID}</uuid><memory>65536</memory><vcpu>1</vcpu>"
    "<os><type>hvm</type></os><devices>"
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/disks/web-1.qcow2'/>"
    "<target dev='vda' bus='virtio'/></disk>{}<interface type='user'/></devices></domain>"
)
SEEDED = (
    "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='/disks/web-1-6f1e3f0a-seed-0.iso'/>"
    "<target dev='sda' bus='scsi'/><readonly/></disk>"
)


def source(devices: str = "", **changes: Any) -> CloneSource:
    xml = XML.format(devices)
    around = {name: changes.pop(name) for name in ("disks", "pool", "taken_volumes") if name in changes}
    machine = dataclasses.replace(observed(**changes), definition=dataclasses.replace(read_domain(xml), record=RECORD))
    return CloneSource(machine, xml, **{"disks": {"vda": DISK}, **around})


def planned(of: CloneSource, **wish: Any) -> Plan:
    return plan_clone(of, CloneWish("web-2", **wish), NEW)


def refusal(of: CloneSource, **wish: Any) -> HostlerError:
    with pytest.raises(HostlerError) as caught:
        planned(of, **wish)
    return caught.value


def xml_of(plan: Plan) -> str:
    return next(step.operation.xml for step in plan.steps if isinstance(step.operation, DefineClone))


def seed_of(plan: Plan) -> WriteSeed:
    return next(step.operation for step in plan.steps if isinstance(step.operation, WriteSeed))


def test_the_domain_comes_first_and_the_record_last() -> None:
    plan = planned(source(), state="running")
    assert [type(step.operation) for step in plan.steps] == [DefineClone, CloneDisk, StartDomain, WriteRecord]
    read = read_domain(xml_of(plan))
    assert read.record == dataclasses.replace(NEW, incomplete=True)
    assert (read.name, read.uuid, read.disks[0].path) == ("web-2", OTHER_UUID, "/disks/web-2-0d9c8b7a-root.qcow2")
    assert plan.as_answer()["diff"]["after"] == {
        "name": "web-2",
        "mode": "full",
        "source": "web-1",
        "disks": [{"target": "vda", "size_gb": 10.0, "pool": "default"}],
        "description": None,
        "tags": ["a"],
        "state": "running",
    }


def test_no_password_is_in_what_ends_up_in_logs() -> None:
    of = source("<graphics type='vnc' passwd='secret-1'/>")
    plan = planned(of, cloud_init=CloudInit(user_data="#secret-2"))
    assert "secret-1" in xml_of(plan)
    assert "secret" not in repr(of)
    assert "secret" not in repr(plan)
    assert plan.as_answer()["diff"]["after"]["cloud_init"] == {"user_data": "(not shown)"}


def test_a_seed_of_ours_is_replaced_and_none_is_added_unasked() -> None:
    assert not any(isinstance(step.operation, WriteSeed) for step in planned(source()).steps)
    plan = planned(source(SEEDED))
    seed = seed_of(plan)
    assert yaml.safe_load(seed.content.meta_data) == {"instance-id": OTHER_UUID, "local-hostname": "web-2"}
    assert [disk.path for disk in read_domain(xml_of(plan)).disks] == [
        "/disks/web-2-0d9c8b7a-root.qcow2",
        f"/disks/{seed.name}",
    ]


def test_a_cd_rom_of_others_stays_and_a_seed_gets_a_drive_beside_it() -> None:
    theirs = SEEDED.replace("web-1-6f1e3f0a-seed-0.iso", "install.iso")
    plan = planned(source(theirs), cloud_init=CloudInit("other"))
    disks = read_domain(xml_of(plan)).disks
    assert [(disk.device, disk.target, disk.path) for disk in disks] == [
        ("disk", "vda", "/disks/web-2-0d9c8b7a-root.qcow2"),
        ("cdrom", "sda", "/disks/install.iso"),
        ("cdrom", "sdb", f"/disks/{seed_of(plan).name}"),
    ]
    assert yaml.safe_load(seed_of(plan).content.meta_data)["local-hostname"] == "other"


def test_a_seed_has_the_guest_make_a_machine_id_once() -> None:
    (command,) = yaml.safe_load(NEW_MACHINE_ID)["bootcmd"]
    assert command[:5] == ["cloud-init-per", "instance", "hostler-machine-id", "sh", "-c"]
    assert "\n" not in command[5].strip()
    assert seed_of(planned(source(), cloud_init=CloudInit())).content.vendor_data == NEW_MACHINE_ID


@pytest.mark.parametrize(
    ("disk", "kept"),
    [
        (Disk("disk", "vdb", path="/disks/shared", shareable=True), True),
        (Disk("disk", "vdb", path="/disks/base", read_only=True), True),
        (Disk("cdrom", "sdb", path="/iso"), True),
        (Disk("floppy", "fda"), True),
        (Disk("floppy", "fda", path="/disks/a.img"), False),
        (Disk("lun", "sdb", path="/dev/sdx"), False),
        (Disk("disk", "vdb"), False),
    ],
)
def test_what_only_the_source_writes_to_has_to_be_a_volume(disk: Disk, kept: bool) -> None:
    of = source()
    definition = dataclasses.replace(of.observed.definition, disks=(*of.observed.definition.disks, disk))
    of = dataclasses.replace(of, observed=dataclasses.replace(of.observed, definition=definition))
    if kept:
        assert len(planned(of).after["disks"]) == 1
    else:
        assert isinstance(refusal(of), Unsupported)


def test_what_can_not_be_cloned() -> None:
    assert isinstance(refusal(source(status="running", is_active=True)), WrongState)
    assert "saved" in str(refusal(source(status="saved")))
    assert isinstance(refusal(source(is_persistent=False)), WrongState)
    assert "writes to" in str(
        refusal(source(disks={"vda": dataclasses.replace(DISK, written_by="VM 'x' writes to it")}))
    )
    nvdimm = "<memory model='nvdimm'><source><path>/n</path></source><target><size>1</size></target></memory>"
    assert isinstance(refusal(source(nvdimm)), Unsupported)
    assert refusal(source(), mac_addresses=("52:54:00:00:00:01", "52:54:00:00:00:02")).field == "mac_addresses"
    taken = frozenset({"default/web-2-0d9c8b7a-root.qcow2"})
    assert isinstance(refusal(source(taken_volumes=taken)), NameTaken)
    lvm = dataclasses.replace(POOL, type="logical")
    assert refusal(source(pool=lvm), pool="default").field == "pool"
    assert refusal(source(disks={"vda": dataclasses.replace(DISK, pool=lvm)})).field == "pool"


def test_copies_have_to_fit_into_their_pool() -> None:
    tight = dataclasses.replace(POOL, available=2 * GIB - MIB)
    assert isinstance(refusal(source(pool=tight)), NotEnoughSpace)
    assert planned(source(pool=dataclasses.replace(POOL, available=2 * GIB))).changed


@pytest.mark.parametrize(
    ("field", "wish"),
    [
        ("name", {"name": "a/b"}),
        ("uuid", {"uuid": "x"}),
        ("snapshot", {"snapshot": ""}),
        ("pool", {"pool": "a/b"}),
        ("tags.0", {"tags": ("a b",)}),
        ("description", {"description": "\0"}),
        ("cloud_init.hostname", {"cloud_init": CloudInit(hostname="a b")}),
        ("cloud_init.ssh_authorized_keys.0", {"cloud_init": CloudInit(ssh_authorized_keys=("a\nb",))}),
        ("mac_addresses.1", {"mac_addresses": ("52:54:00:00:00:01", "52:54")}),
        ("mac_addresses", {"mac_addresses": ("52:54:00:00:00:0a", "52:54:00:00:00:0A")}),
        ("record_id", {"record_id": 0}),
    ],
)
def test_a_wish_that_can_not_be_names_the_field(field: str, wish: Any) -> None:
    with pytest.raises(InvalidSpec) as caught:
        validate_clone(CloneWish(**{"name": "web-2", **wish}))
    assert [error.field for error in caught.value.errors] == [field]
