# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking a VM away on a real host: its own disks go with it, and nobody else's ever do."""

import dataclasses
import uuid as uuids
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import delete
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure import ensure
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.perform import StepReport, perform
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import Disk, DomainDefinition
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.write import domain_xml
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import OperationFailed, Protected
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.volume import Volume
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.desired import Desired
from lab.commands import run
from lab.host import Host
from tests.core.actions.guests import SEED, desired, everything_on, made, named
from tests.core.machines import MIB

pytestmark = pytest.mark.lab


def theirs(hypervisor: Hypervisor, name: str, *disks: Disk) -> Domain:
    """A VM that somebody else defined, with these disks."""
    definition = DomainDefinition(name, str(uuids.uuid4()), "qemu", 1, 65536, machine="q35", disks=disks)
    return hypervisor.define(domain_xml(definition))


def file_disk(path: str, target: str = "vda", shareable: bool = False) -> Disk:
    # libvirt lets only raw ones be shared
    return Disk("disk", target, "virtio", path, "raw" if shareable else "qcow2", shareable=shareable)


@pytest.fixture
def volume(hypervisor: Hypervisor) -> Volume:
    return hypervisor.pool("default").create_volume(f"data-{uuids.uuid4().hex[:8]}.qcow2", MIB, "qcow2")


# What goes


@pytest.mark.rule("delete-order", "delete-owned")
def test_a_vm_goes_with_its_disk_and_its_seed_and_its_image_stays(hypervisor: Hypervisor, lab_host: Host) -> None:
    before = everything_on(hypervisor)
    vm = made(hypervisor, desired(lab_host, "gone", image="tiny.qcow2", image_mode="backing", cloud_init=SEED))

    deleted = delete.delete(hypervisor, vm.uuid)

    assert sorted(deleted) == sorted(disk.path or "" for disk in vm.disks)
    assert len(deleted) == 2
    assert everything_on(hypervisor) == before


@pytest.mark.rule("delete-order")
def test_a_vm_that_runs_is_powered_off_first(hypervisor: Hypervisor, lab_host: Host) -> None:
    before = everything_on(hypervisor)
    vm = made(hypervisor, desired(lab_host, "running", "running"))

    delete.delete(hypervisor, vm.uuid)

    assert everything_on(hypervisor) == before


def test_a_vm_that_somebody_starts_again_meanwhile_goes_all_the_same(hypervisor: Hypervisor, lab_host: Host) -> None:
    before = everything_on(hypervisor)
    vm = made(hypervisor, desired(lab_host, "restless", "running"))
    begun: list[str] = []

    def start_it(report: StepReport) -> None:
        if report.state == "succeeded" and not begun:
            begun.append(report.title)
            lab_host.virsh("start", "restless")

    delete.delete(hypervisor, vm.uuid, on_step=start_it)

    assert begun == ["Power off VM 'restless'"]
    assert everything_on(hypervisor) == before


def test_a_vm_that_has_gone_is_no_error(hypervisor: Hypervisor) -> None:
    assert delete.delete(hypervisor, str(uuids.uuid4())) == []


@pytest.mark.rule("delete-order")
def test_the_variables_of_its_firmware_go_with_a_uefi_vm(hypervisor: Hypervisor, lab_host: Host) -> None:
    before = everything_on(hypervisor)
    vm = made(hypervisor, desired(lab_host, "uefi", "running", firmware="uefi"))
    assert vm.definition.firmware == "uefi"
    assert list(lab_host.layout.folder.rglob("uefi_VARS*"))

    delete.delete(hypervisor, vm.uuid)

    assert list(lab_host.layout.folder.rglob("uefi_VARS*")) == []
    assert everything_on(hypervisor) == before


@pytest.mark.rule("delete-order")
def test_saved_memory_goes_with_a_saved_vm(hypervisor: Hypervisor, lab_host: Host) -> None:
    before = everything_on(hypervisor)
    vm = made(hypervisor, desired(lab_host, "saved", "running"))
    hypervisor.domain(vm.uuid).handle.managedSave()
    assert named(hypervisor, "saved").status == "saved"

    delete.delete(hypervisor, vm.uuid)

    assert everything_on(hypervisor) == before
    assert list(lab_host.layout.folder.rglob("saved.save")) == []


def test_a_transient_vm_goes_with_its_power(hypervisor: Hypervisor, volume: Volume) -> None:
    definition = DomainDefinition(
        "fleeting", str(uuids.uuid4()), "qemu", 1, 65536, machine="q35", disks=(file_disk(volume.path),)
    )
    hypervisor.create_transient(domain_xml(definition))

    assert delete.delete(hypervisor, definition.uuid) == [volume.path]
    assert hypervisor.find_domain(definition.uuid) is None


def test_a_disk_that_is_named_by_pool_and_volume_is_one_of_its_own(hypervisor: Hypervisor, volume: Volume) -> None:
    xml = (
        domain_xml(
            DomainDefinition("by-name", str(uuids.uuid4()), "qemu", 1, 65536, machine="q35", disks=(file_disk("@"),))
        )
        .replace('type="file"', 'type="volume"')
        .replace('file="@"', f'pool="default" volume="{volume.name}"')
    )
    domain = hypervisor.define(xml)

    assert delete.delete(hypervisor, domain.uuid) == [volume.path]


# What stays


def test_its_disks_stay_when_that_is_asked(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "disks-kept", cloud_init=SEED))

    answer = ensure(hypervisor, Desired(uuid=vm.uuid, state="absent", delete_disks=False))

    assert (answer["changed"], answer["deleted_disks"], answer["vm"]) == (True, [], None)
    assert all(Path(disk.path or "").exists() for disk in vm.disks)


def test_a_protected_vm_stays_as_it_is(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "protected", "running", protected=True))

    for check in (True, False):
        with pytest.raises(Protected):
            ensure(hypervisor, Desired({"name": "protected"}, state="absent"), check=check)

    assert named(hypervisor, "protected").status == "running"
    assert Path(vm.disks[0].path or "").exists()


@pytest.mark.rule("delete-owned")
def test_a_disk_that_others_use_in_any_way_stays(hypervisor: Hypervisor, lab_host: Host) -> None:
    """A shared one, a backing file of a volume, one that another domain names, one on no pool, an ISO."""
    pool = hypervisor.pool("default")
    shared, base, named_too, iso = (
        pool.create_volume(f"keep-{what}", MIB, "qcow2") for what in ("shared", "base", "named", "iso")
    )
    overlay = pool.create_volume("keep-overlay", MIB, "qcow2", backing=base.facts())
    outside = lab_host.layout.folder / "outside.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", outside, "1M")
    theirs(hypervisor, "neighbour", file_disk(named_too.path))
    own = pool.create_volume("keep-not", MIB, "qcow2")
    domain = theirs(
        hypervisor,
        "greedy",
        file_disk(own.path, "vda"),
        file_disk(shared.path, "vdb", shareable=True),
        file_disk(base.path, "vdc"),
        file_disk(named_too.path, "vdd"),
        file_disk(str(outside), "vde"),
        file_disk("/nowhere/at.all", "vdf"),
        Disk("cdrom", "sda", "sata", iso.path, "raw", read_only=True),
    )

    assert delete.delete(hypervisor, domain.uuid) == [own.path]

    for kept in (shared, base, named_too, iso, overlay):
        assert Path(kept.path).exists(), kept.name
    assert outside.exists()


@pytest.mark.parametrize(
    "spelt",
    [
        lambda path: path,
        lambda path: path.replace("/disks/", "//disks/./"),
        lambda path: path.replace("/disks/", "/images/../disks/"),
    ],
    ids=["plain", "dotted", "roundabout"],
)
def test_a_disk_that_another_vm_names_in_another_spelling_stays(
    hypervisor: Hypervisor, lab_host: Host, spelt: Callable[[str], str]
) -> None:
    vm = made(hypervisor, desired(lab_host, "spelt"))
    path = vm.disks[0].path or ""
    theirs(hypervisor, "speller", file_disk(spelt(path)))

    assert delete.delete(hypervisor, vm.uuid) == []
    assert Path(path).exists()


def test_a_disk_that_another_vm_runs_from_but_no_longer_names_stays(
    hypervisor: Hypervisor, lab_host: Host, volume: Volume
) -> None:
    other = theirs(hypervisor, "unplugged", file_disk(volume.path, shareable=True))
    other.start()
    hypervisor.redefine(domain_xml(DomainDefinition("unplugged", other.uuid, "qemu", 1, 65536, machine="q35")))
    assert volume.path not in other.xml(inactive=True)
    domain = theirs(hypervisor, "claims-it", file_disk(volume.path))

    assert delete.delete(hypervisor, domain.uuid) == []
    assert Path(volume.path).exists()


def test_a_base_that_an_overlay_names_by_a_relative_path_stays(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "relative"))
    base = Path(vm.disks[0].path or "")
    overlay = base.parent / "relative-overlay.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base.name, overlay)
    hypervisor.pool("default").refresh()

    assert delete.delete(hypervisor, vm.uuid) == []
    assert base.exists()


@pytest.mark.rule("delete-owned")
def test_a_base_of_an_overlay_that_libvirt_has_not_seen_yet_stays(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "unseen"))
    base = Path(vm.disks[0].path or "")
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, base.parent / "unseen-overlay.qcow2")

    assert delete.delete(hypervisor, vm.uuid) == []
    assert base.exists()


def test_of_an_overlay_that_no_snapshot_tells_of_what_is_below_stays(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "snapped"))
    lab_host.virsh("snapshot-create-as", "snapped", "before", "--disk-only", "--no-metadata")
    (top,) = [disk.path for disk in named(hypervisor, "snapped").disks]
    assert top != vm.disks[0].path

    assert delete.delete(hypervisor, vm.uuid) == [top]
    assert Path(vm.disks[0].path or "").exists()


@pytest.mark.rule("delete-owned")
def test_what_a_snapshot_by_hand_tells_of_goes_with_its_vm(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "by-hand"))
    lab_host.virsh("snapshot-create-as", "by-hand", "before", "--disk-only")
    (top,) = [disk.path for disk in named(hypervisor, "by-hand").disks]

    assert delete.delete(hypervisor, vm.uuid) == [top, vm.disks[0].path]


@pytest.mark.rule("delete-owned")
def test_an_overlay_of_an_overlay_keeps_the_whole_chain(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "chain", image="tiny.qcow2", image_mode="backing"))
    middle = hypervisor.find_volume_at(vm.disks[0].path or "")
    assert middle is not None
    top = hypervisor.pool("images").create_volume("chain-top.qcow2", 128 * MIB, "qcow2", backing=middle.facts())

    assert delete.delete(hypervisor, vm.uuid) == []
    assert Path(middle.path).exists()
    assert Path(top.path).exists()


def test_the_seed_of_another_vm_is_not_its_own(hypervisor: Hypervisor, lab_host: Host) -> None:
    other = made(hypervisor, desired(lab_host, "seeded", cloud_init=SEED))
    seed = other.disks[-1]
    assert seed.device == "cdrom"
    delete_me = made(hypervisor, desired(lab_host, "borrower"))
    domain = hypervisor.domain(delete_me.uuid)
    source = f"<source file='{seed.path}'/><target dev='sdb' bus='scsi'/><readonly/>"
    domain.handle.attachDeviceFlags(f"<disk type='file' device='cdrom'>{source}</disk>", 2)
    hypervisor.domain(other.uuid).undefine()

    assert seed.path not in delete.delete(hypervisor, delete_me.uuid)
    assert Path(seed.path or "").exists()


def test_a_disk_that_somebody_claims_after_the_plan_stays(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "claimed"))
    path = vm.disks[0].path or ""
    plan = delete.plan_for(hypervisor, vm.uuid)
    assert delete.deleted_disks(plan) == [path]
    theirs(hypervisor, "claimant", file_disk(path))

    with pytest.raises(OperationFailed, match="another VM uses it by now"):
        perform(hypervisor, plan)

    assert Path(path).exists()


def test_a_plan_carried_out_twice_does_no_more(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "twice", "running", cloud_init=SEED))
    plan = delete.plan_for(hypervisor, vm.uuid)

    perform(hypervisor, plan)
    perform(hypervisor, plan)

    assert hypervisor.find_domain(vm.uuid) is None


def test_a_delete_that_was_cut_off_before_its_disks_leaves_only_disks(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "cut-delete", cloud_init=SEED))
    plan = delete.plan_for(hypervisor, vm.uuid)

    perform(hypervisor, dataclasses.replace(plan, steps=plan.steps[:1]))
    assert all(Path(disk.path or "").exists() for disk in vm.disks)

    perform(hypervisor, plan)
    assert not any(Path(disk.path or "").exists() for disk in vm.disks)


def test_a_sick_vm_of_others_keeps_nobody_from_deleting(hypervisor: Hypervisor, lab_host: Host, tmp_path: Path) -> None:
    """It names a volume of a pool that is gone, or that is not active."""
    lab_host.virsh("pool-define-as", "resting", "dir", "--target", str(tmp_path))
    try:
        for pool in ("no-such-pool", "resting"):
            uuid = str(uuids.uuid4())
            xml = domain_xml(DomainDefinition(f"sick-{pool}", uuid, "qemu", 1, 65536, disks=(file_disk("@"),)))
            named_by_pool = f'pool="{pool}" volume="x"'
            hypervisor.define(xml.replace('type="file"', 'type="volume"').replace('file="@"', named_by_pool))
        vm = made(hypervisor, desired(lab_host, "healthy"))

        assert delete.delete(hypervisor, vm.uuid) == [vm.disks[0].path]
        sick = named(hypervisor, "sick-no-such-pool")
        assert delete.delete(hypervisor, sick.uuid) == []
    finally:
        lab_host.virsh("pool-undefine", "resting")
