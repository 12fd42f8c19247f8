# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks of VMs on a real host that are off: attached, changed, grown, detached, refused, put back."""

import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import power
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.chassis import look
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.delete import delete
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.drives import DOERS
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_disk import ensure_disk
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_snapshot import ensure_snapshot
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.image import mark_of
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.machine_doers import DOERS as MACHINE_DOERS
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.perform import perform
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.drive import Drive
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    InvalidSpec,
    NameTaken,
    VolumeNotFound,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.device_steps import (
    DefineDrive,
    PlugDrive,
    UndefineDrive,
    UnplugDrive,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_wish import SnapshotWish
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan, Step
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volume_steps import (
    AddVolume,
    CreateVolume,
    DeleteVolume,
    GrowDisk,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_disk import WantedDisk, WantedLimits
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import OneMachine
from lab.commands import run
from lab.host import Host
from tests.core.actions.guests import desired, everything_on, made, named
from tests.core.actions.snapshotting import see_to
from tests.core.actions.test_resize import defined, virtual_size
from tests.core.domain_xml.documents import FOREIGN, difference, uncounted
from tests.core.machines import GIB, MIB

pytestmark = pytest.mark.lab


GONE: dict[str, Any] = {"target": "vdb", "state": "absent"}


def ensured(hypervisor: Hypervisor, name: str, **fields: Any) -> dict[str, Any]:
    """Plan it, do it, and see that both say the same and that it is not done again; what doing it answered."""
    which, wanted = OneMachine(name), WantedDisk(**fields)
    planned = ensure_disk(hypervisor, which, wanted, check=True)
    answer = ensure_disk(hypervisor, which, wanted)
    for key in ("changed", "diff", "plan", "next_boot", "deleted_disks"):
        assert planned[key] == answer[key], key
    again = ensure_disk(hypervisor, which, wanted)
    assert (again["changed"], again["diff"], again["plan"]) == (False, {"before": {}, "after": {}}, [])
    return answer


def refused(hypervisor: Hypervisor, name: str, kind: type[HostlerError], message: str, **fields: Any) -> str | None:
    """The field for which it is refused, in check mode and in a real run, before anything is touched."""
    domain = hypervisor.find_domain_named(name)
    assert domain is not None
    before, there = domain.xml(inactive=True), everything_on(hypervisor)
    for check in (True, False):
        with pytest.raises(kind, match=message) as caught:
            ensure_disk(hypervisor, OneMachine(name), WantedDisk(**fields), check=check)
    assert domain.xml(inactive=True) == before
    assert everything_on(hypervisor) == there
    return caught.value.field


def drives(hypervisor: Hypervisor, name: str) -> tuple[dict[str, Drive], dict[str, Drive]]:
    """Its disks as it is defined and as it runs, by target."""
    domain = hypervisor.find_domain_named(name)
    assert domain is not None
    chassis = look(hypervisor, domain)
    return {one.target: one for one in chassis.defined_drives}, {one.target: one for one in chassis.running_drives}


def folder_of(hypervisor: Hypervisor) -> Path:
    return Path(hypervisor.pool("default").type_and_path()[1])


# While it is off


def test_a_disk_comes_changes_grows_and_goes_while_the_vm_is_off(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "cold"))
    before = hypervisor.domain(vm.uuid).xml(inactive=True)

    answer = ensured(hypervisor, "cold", serial="data", size_gb=0.125)
    path = answer["disk"]["path"]
    assert path.endswith(f"/cold-{vm.uuid[:8]}-disk1.qcow2")
    assert answer["disk"] == {
        "target": "vdb", "bus": "virtio", "path": path, "format": "qcow2", "size_gb": 0.125, "serial": "data",
        "cache": None, "io": None, "discard": "unmap", "read_only": False, "shareable": False, "limits": {},
        "defined": True, "running": False,
    }  # fmt: skip
    assert virtual_size(path) == 128 * MIB

    limits = WantedLimits(read_iops_sec=100, total_bytes_sec=MIB)
    ensured(hypervisor, "cold", target="vdb", size_gb=0.25, cache="none", io="native", limits=limits)
    ensured(hypervisor, "cold", target="vdb", limits=WantedLimits(read_iops_sec=0), serial="other")
    (disk,) = [one for one in drives(hypervisor, "cold")[0].values() if one.target == "vdb"]
    assert (disk.cache, disk.io, disk.serial, disk.limits.total_bytes_sec) == ("none", "native", "other", MIB)
    assert disk.limits.read_iops_sec == 0
    assert virtual_size(path) == 256 * MIB
    power.start(hypervisor, vm.uuid)  # which sees whether QEMU takes it
    power.force_stop(hypervisor, vm.uuid)

    kept = ensured(hypervisor, "cold", serial="other", state="absent")
    assert (kept["disk"], kept["deleted_disks"], Path(path).exists()) == (None, [], True)
    assert (
        ensured(hypervisor, "cold", target="vdb", size_gb=0.125)["disk"]["path"] != path
    )  # it is nobody's to overwrite
    assert virtual_size(path) == 256 * MIB
    gone = ensured(hypervisor, "cold", target="vdb", state="absent", delete="owned")
    assert gone["deleted_disks"]
    assert not Path(gone["deleted_disks"][0]).exists()
    added = difference(uncounted(before), uncounted(hypervisor.domain(vm.uuid).xml(inactive=True)))
    assert added == []


@pytest.mark.parametrize(
    ("fields", "target"),
    [
        ({"bus": "scsi", "format": "raw"}, "sda"),
        ({"bus": "sata"}, "sda"),
        ({"target": "vdf", "image": "tiny.qcow2", "image_mode": "backing", "image_pool": "images"}, "vdf"),
        ({"volume": "cold-named.qcow2"}, "vdb"),
    ],
    ids=["scsi", "sata", "overlay", "named"],
)
def test_every_kind_of_new_disk_starts(
    hypervisor: Hypervisor, lab_host: Host, fields: dict[str, Any], target: str
) -> None:
    vm = made(hypervisor, desired(lab_host, "kinds"))
    named_by = {} if "target" in fields or "volume" in fields else {"serial": "kind"}

    answer = ensured(hypervisor, "kinds", size_gb=1.0, **fields, **named_by)

    assert answer["disk"]["target"] == target
    assert answer["disk"]["format"] == fields.get("format", "qcow2")
    power.start(hypervisor, vm.uuid)
    assert target in drives(hypervisor, "kinds")[1]


@pytest.mark.parametrize("name", ["windows_spice", "numa_realtime"])
def test_a_vm_of_others_keeps_all_that_is_not_the_disk(hypervisor: Hypervisor, name: str) -> None:
    domain = defined(hypervisor, FOREIGN[name])
    before = domain.xml(inactive=True, secure=True)

    ensured(hypervisor, domain.name, serial="ours", size_gb=0.125, bus="scsi", limits=WantedLimits(read_iops_sec=9))
    added = difference(before, domain.xml(inactive=True, secure=True))
    assert {line.split()[0] for line in added} == {"+"}, added
    assert {"/".join(line.split()[1].split("/")[:4]) for line in added} <= {
        "/domain/devices/disk", "/domain/devices/controller",
    }, added  # fmt: skip
    ensured(hypervisor, domain.name, serial="ours", cache="none")

    ensured(hypervisor, domain.name, serial="ours", state="absent", delete="owned", detach_root="numa" in name)
    left = difference(before, domain.xml(inactive=True, secure=True))
    assert all(line.startswith("+ /domain/devices/controller") for line in left), left


def test_what_a_snapshot_has_of_a_disk_outlives_it(hypervisor: Hypervisor, lab_host: Host) -> None:
    made(hypervisor, desired(lab_host, "remembers"))
    inside = ensured(hypervisor, "remembers", serial="a", size_gb=0.125)["disk"]["path"]
    ensure_snapshot(hypervisor, OneMachine("remembers"), SnapshotWish(snapshot="inside"))
    beside = ensured(hypervisor, "remembers", serial="b", size_gb=0.125)["disk"]["path"]

    assert ensured(hypervisor, "remembers", serial="a", state="absent", delete="owned")["deleted_disks"] == []
    ensure_snapshot(hypervisor, OneMachine("remembers"), SnapshotWish(snapshot="beside", external=True))
    overlay = named(hypervisor, "remembers").disks[1].path
    assert overlay not in (None, beside)
    held = "Disk vdc is part of the external snapshot 'beside': remove that first"
    assert refused(hypervisor, "remembers", WrongState, held, serial="b", state="absent", delete="owned") is None

    assert all(Path(path or "").exists() for path in (inside, beside, overlay))


# What is refused


def test_what_is_somebody_elses_is_refused_and_never_deleted(hypervisor: Hypervisor, lab_host: Host) -> None:
    mine = made(hypervisor, desired(lab_host, "mine"))
    theirs = made(hypervisor, desired(lab_host, "theirs", image="tiny.qcow2", image_mode="backing", disk_gb=1))
    path = theirs.disks[0].path or ""

    in_use = {"kind": WrongState, "message": f"{re.escape(path)} is in use by VM 'theirs'"}
    assert refused(hypervisor, "mine", path=path, format="qcow2", **in_use) == "path"  # type: ignore[arg-type]
    assert refused(hypervisor, "mine", volume=Path(path).name, format="qcow2", **in_use) == "volume"  # type: ignore[arg-type]
    base = {"volume": "tiny.qcow2", "pool": "images"}
    built_on = f"must not be written to: volume '{Path(path).name}' in storage pool 'default' is built on it"
    assert refused(hypervisor, "mine", WrongState, built_on, **base) == "volume"
    assert refused(hypervisor, "mine", WrongState, built_on, **base, shareable=True, format="raw") == "volume"

    claimed = str(folder_of(hypervisor) / "claimed.qcow2")
    ensured(hypervisor, "theirs", path=claimed, format="qcow2")  # which is not there yet
    named_so = {"volume": "claimed.qcow2", "size_gb": 0.01}
    assert refused(hypervisor, "mine", WrongState, "in use by VM 'theirs'", **named_so) == "volume"

    ensured(hypervisor, "mine", **base, read_only=True)
    gone = ensured(hypervisor, "mine", **base, state="absent", delete="owned")
    assert (gone["deleted_disks"], lab_host.image_path.exists()) == ([], True)

    hypervisor.pool("default").create_volume("both.raw", MIB, "raw")
    for name in ("mine", "theirs"):
        ensured(hypervisor, name, volume="both.raw", shareable=True, bus="scsi")
    gone = ensured(hypervisor, "mine", volume="both.raw", state="absent", delete="owned")
    assert gone["deleted_disks"] == []
    assert named(hypervisor, "mine").uuid == mine.uuid


def test_what_was_there_before_outlives_the_vm_that_had_it(hypervisor: Hypervisor, lab_host: Host) -> None:
    """An image that somebody attached as a disk, for one: nothing is built on it yet, and nobody else names it."""
    vm = made(hypervisor, desired(lab_host, "borrows"))
    for name in ("archive.qcow2", "image.qcow2"):
        hypervisor.pool("default").create_volume(name, MIB, "qcow2")
        ensured(hypervisor, "borrows", volume=name)
    new = ensured(hypervisor, "borrows", volume="new.qcow2", size_gb=0.001)["disk"]["path"]
    see_to(hypervisor, "borrows", snapshot="beside", external=True)
    archive, image = (str(folder_of(hypervisor) / name) for name in ("archive.qcow2", "image.qcow2"))

    assert refused(hypervisor, "borrows", WrongState, "part of the external snapshot 'beside'", **GONE) is None
    see_to(hypervisor, "borrows", snapshot="beside", state="absent")
    assert ensured(hypervisor, "borrows", **GONE, delete="owned")["deleted_disks"] == []
    record = named(hypervisor, "borrows").record
    assert record is not None
    assert record.kept == (image,)
    see_to(hypervisor, "borrows", snapshot="again", external=True)  # it writes to an overlay of it
    overlays = [disk.path for disk in named(hypervisor, "borrows").disks]
    assert image not in overlays
    deleted = delete(hypervisor, vm.uuid)

    assert {new, *overlays} <= set(deleted)
    assert not {image, archive} & set(deleted)
    assert (Path(image).exists(), Path(archive).exists(), Path(new).exists()) == (True, True, False)


def test_the_format_is_never_a_guests_to_say(hypervisor: Hypervisor, lab_host: Host) -> None:
    """A guest that writes a qcow2's header into its raw disk must not read the host's files by it."""
    made(hypervisor, desired(lab_host, "formats"))
    folder, pool = folder_of(hypervisor), hypervisor.pool("default")
    (folder / "secret").write_text("secret")
    run(
        "qemu-img",
        "create",
        "-f",
        "qcow2",
        "-F",
        "raw",
        "-b",
        str(folder / "secret"),
        str(folder / "backing.raw"),
        "1M",
    )
    run(
        "qemu-img", "create", "-f", "qcow2", "-o", f"data_file={folder / 'secret-data'}", str(folder / "data.raw"), "1M"
    )
    run("qemu-img", "create", "-f", "qcow2", str(folder / "plain.qcow2"), "1M")
    run("qemu-img", "create", "-f", "vmdk", str(folder / "other.vmdk"), "1M")
    pool.refresh()

    for volume, reason in (
        ("backing.raw", "backing file"),
        ("data.raw", "keeps its data in another file"),
        ("other.vmdk", "vmdk"),
    ):
        assert refused(hypervisor, "formats", InvalidSpec, f"is required.*{reason}", volume=volume) == "format"
    outside = "/var/lib/libvirt/nowhere.img"
    assert refused(hypervisor, "formats", InvalidSpec, "is in no storage pool", path=outside) == "format"
    assert ensured(hypervisor, "formats", volume="plain.qcow2")["disk"]["format"] == "qcow2"
    assert ensured(hypervisor, "formats", volume="backing.raw", format="raw")["disk"]["format"] == "raw"
    assert ensured(hypervisor, "formats", path=outside, format="raw", target="vdz")["disk"]["size_gb"] is None
    assert refused(hypervisor, "formats", InvalidSpec, "not known", target="vdz", size_gb=1.0) == "size_gb"


def test_what_can_not_be_is_refused_before_anything_is_touched(hypervisor: Hypervisor, lab_host: Host) -> None:
    made(hypervisor, desired(lab_host, "refuses"))
    image = {"image": "tiny.qcow2", "image_pool": "images"}

    assert refused(hypervisor, "refuses", VolumeNotFound, "'nowhere' not found", volume="nowhere") == "volume"
    assert (
        refused(hypervisor, "refuses", InvalidSpec, "smaller than image", target="vdb", size_gb=0.01, **image)
        == "size_gb"
    )
    assert (
        refused(hypervisor, "refuses", HostlerError, "'x' not found", target="vdb", size_gb=1.0, image="x") == "image"
    )
    assert refused(hypervisor, "refuses", HostlerError, "GiB in all", target="vdb", size_gb=60000.0) == "size_gb"
    assert refused(hypervisor, "refuses", HostlerError, "GiB in all", target="vda", size_gb=60000.0) == "size_gb"
    assert refused(hypervisor, "refuses", InvalidSpec, "shrink", target="vda", size_gb=0.01) == "size_gb"
    assert refused(hypervisor, "refuses", HostlerError, "root disk", target="vda", state="absent") == "detach_root"
    for name in ("coming.qcow2", mark_of("coming.qcow2")):
        hypervisor.pool("default").create_volume(name, MIB, "qcow2")
    coming = folder_of(hypervisor) / "coming.qcow2"
    assert refused(hypervisor, "refuses", WrongState, "as a whole yet", volume=coming.name) == "volume"
    assert refused(hypervisor, "refuses", WrongState, "as a whole yet", path=str(coming)) == "path"
    for which, field in ((OneMachine("nobody"), "name"), (OneMachine(uuid="x"), "uuid"), (OneMachine(), "name")):
        with pytest.raises(HostlerError) as caught:
            ensure_disk(hypervisor, which, WantedDisk(target="vdb"))
        assert caught.value.field == field
    gone = ensured(hypervisor, "refuses", target="vda", state="absent", detach_root=True)
    assert gone["deleted_disks"] == []


def test_a_step_that_fails_puts_back_what_those_before_it_did(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "fails", "running"))
    there, xml = everything_on(hypervisor), hypervisor.domain(vm.uuid).xml(inactive=True)
    path = str(folder_of(hypervisor) / "fails.qcow2")
    drive = Drive("disk", "sda", bus="scsi", path=path, format="qcow2", place=(0, 0))
    volume = AddVolume(CreateVolume("default", "fails.qcow2", MIB, "qcow2"))

    def steps(*operations: Any) -> Plan:
        return Plan(tuple(Step(type(one).__name__, one) for one in operations))

    carry_out = partial(perform, hypervisor, doers={**MACHINE_DOERS, **DOERS})

    made_whole = steps(volume, PlugDrive(vm.uuid, drive), DefineDrive(vm.uuid, drive))
    with pytest.raises(HostlerError, match="Failed to resize the disk"):
        carry_out(Plan(made_whole.steps + steps(GrowDisk(vm.uuid, "/nowhere", GIB, live=True)).steps))
    # the guest has not booted, and SCSI needs no guest's leave
    assert everything_on(hypervisor) == there
    assert difference(xml, hypervisor.domain(vm.uuid).xml(inactive=True)) == []
    assert "sda" not in drives(hypervisor, "fails")[1]

    carry_out(made_whole)
    gone = steps(UnplugDrive(vm.uuid, "sda", 30), UndefineDrive(vm.uuid, "sda"))
    with pytest.raises(HostlerError, match="Failed to resize the disk"):
        carry_out(Plan(gone.steps + steps(GrowDisk(vm.uuid, "/nowhere", GIB, live=True)).steps))
    assert all("sda" in side for side in drives(hypervisor, "fails"))
    carry_out(Plan(gone.steps + steps(DeleteVolume(path)).steps))

    with pytest.raises(HostlerError, match="Failed to plug disk sda into the VM"):
        carry_out(steps(PlugDrive(vm.uuid, drive)))  # whose file is gone
    carry_out(steps(volume))
    with pytest.raises(NameTaken, match=r"fails\.qcow2' is in storage pool 'default' by now"):
        carry_out(steps(volume))
