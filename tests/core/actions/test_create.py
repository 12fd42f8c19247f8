# SPDX-License-Identifier: GPL-3.0-or-later
"""Making a VM on a real host: all of it, or nothing; and what was cut off can be taken up or away."""

import dataclasses
import sys
from pathlib import Path

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import create
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure import ensure
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.perform import StepReport
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import DomainDefinition
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.write import domain_xml
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    HostUnreachable,
    ImageNotFound,
    InvalidSpec,
    NameTaken,
    NotEnoughSpace,
    OperationFailed,
    PoolNotFound,
    Superseded,
    Unsupported,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.desired import Desired
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.machine_steps import DefineDomain
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import Placement
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volume_steps import CreateVolume
from lab.host import Host
from tests.core.actions.guests import SEED, desired, everything_on, made, named, planned
from tests.core.machines import GIB, MIB

pytestmark = pytest.mark.lab

STEPS_OF_A_FULL_CREATE = 7
NOWHERE = {"type": "network", "network_name": "nowhere"}
BRIDGELESS = {"type": "bridge", "bridge_name": "nowhere"}


def full(host: Host, name: str) -> Desired:
    """A VM whose create takes every step there is."""
    tiny = {"image": "tiny.qcow2", "image_mode": "backing"}
    return desired(host, name, "running", **tiny, disks=[{"size_gb": 0.01}], cloud_init=SEED, autostart=True)


# What is made


def test_a_blank_vm(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "blank", description="</x>&{{ y }}", tags=["a"], protected=True))

    assert (vm.name, vm.status, vm.cpu_cores, vm.memory_kib, vm.disk_gb) == ("blank", "stopped", 1, 131072, 0.125)
    assert vm.record is not None
    assert (vm.record.incomplete, vm.record.protected, vm.record.description) == (False, True, "</x>&{{ y }}")
    (root,) = vm.disks
    assert (root.size, root.format) == (128 * MIB, "qcow2")
    volume = hypervisor.find_volume_at(root.path or "")
    assert volume is not None
    assert volume.facts().backing_path is None


@pytest.mark.parametrize("mode", ["copy", "backing"])
def test_a_vm_from_an_image(hypervisor: Hypervisor, lab_host: Host, mode: str) -> None:
    vm = made(hypervisor, desired(lab_host, f"from-{mode}", disk_gb=1, image="tiny.qcow2", image_mode=mode))

    volume = hypervisor.find_volume_at(vm.disks[0].path or "")
    assert volume is not None
    assert volume.facts().capacity == GIB
    assert volume.facts().backing_path == (None if mode == "copy" else str(lab_host.image_path))
    assert vm.disk_gb == 1


def test_an_image_that_somebody_has_just_put_there_is_found(hypervisor: Hypervisor, lab_host: Host) -> None:
    fresh = lab_host.layout.pools["images"] / "fresh.raw"
    fresh.write_bytes(b"\0" * MIB)

    vm = made(hypervisor, desired(lab_host, "fresh", image="fresh.raw"))

    assert vm.disks[0].format == "qcow2"


def test_a_full_create_makes_every_step_in_order_and_reports_each(hypervisor: Hypervisor, lab_host: Host) -> None:
    reports: list[StepReport] = []

    vm = create.create(hypervisor, planned(hypervisor, full(lab_host, "reported")), reports.append)

    assert [(report.position, report.state) for report in reports] == [
        (position, state)
        for position in range(1, STEPS_OF_A_FULL_CREATE + 1)
        for state in ("running", "succeeded")
    ]  # fmt: skip
    assert {report.total for report in reports} == {STEPS_OF_A_FULL_CREATE}
    assert (vm.status, vm.autostart) == ("running", True)
    assert vm.vnc_port is not None
    assert vm.definition.record is not None
    assert not vm.definition.record.incomplete
    running = hypervisor.domain(vm.uuid).xml()
    assert 'incomplete="yes"' not in running  # nor in what runs


@pytest.mark.skipif("os.geteuid() != 0", reason="a plain user's lab has no bridge")
def test_a_vm_on_a_bridge_of_the_host(hypervisor: Hypervisor, lab_host: Host) -> None:
    config = {"type": "bridge", "bridge_name": lab_host.layout.bridge}

    vm = made(hypervisor, desired(lab_host, "bridged", "running", network_config=config))

    (card,) = vm.definition.interfaces
    assert (card.type, card.source, card.model) == ("bridge", lab_host.layout.bridge, "virtio")


# What the host can't give


@pytest.mark.parametrize(
    ("changes", "placement", "kind", "field"),
    [
        ({"image": "nowhere.qcow2"}, {}, ImageNotFound, "image"),
        ({"image": "../disks/x"}, {}, InvalidSpec, "image"),
        ({"image": "tiny.qcow2", "disk_gb": 0.001}, {}, InvalidSpec, "disk_gb"),
        ({"disk_gb": 65536}, {}, NotEnoughSpace, "disk_gb"),
        ({"disks": [{"size_gb": 1}, {"size_gb": 1, "image": "nowhere.qcow2"}]}, {}, ImageNotFound, "disks.1.image"),
        ({"disks": [{"size_gb": 0.001, "image": "tiny.qcow2"}]}, {}, InvalidSpec, "disks.0.size_gb"),
        ({"disks": [{"size_gb": 65536}]}, {}, NotEnoughSpace, "disks.0.size_gb"),
        ({"nics": [NOWHERE]}, {}, InvalidSpec, "nics.0.network_name"),
        ({"network_config": {"type": "none"}, "nics": [BRIDGELESS]}, {}, InvalidSpec, "nics.0.bridge_name"),
        ({"network_config": {"type": "none"}, "nics": [{}]}, {"network": "nowhere"}, InvalidSpec, "nics.0.type"),
        ({"cpu_cores": 256}, {}, Unsupported, "cpu_cores"),
        ({"network_config": NOWHERE}, {}, InvalidSpec, "network_config.network_name"),
        ({"network_config": BRIDGELESS}, {}, InvalidSpec, "network_config.bridge_name"),
        ({}, {"network": "nowhere"}, InvalidSpec, "network_config.type"),
        ({}, {"pool": "nowhere"}, PoolNotFound, None),
        ({"image": "tiny.qcow2"}, {"image_pool": "nowhere"}, PoolNotFound, None),
    ],
)  # fmt: skip
def test_it_is_said_before_anything_is_done(
    hypervisor: Hypervisor,
    lab_host: Host,
    changes: dict[str, object],
    placement: dict[str, str],
    kind: type[HostlerError],
    field: str | None,
) -> None:
    before = everything_on(hypervisor)
    wanted = desired(lab_host, "impossible", **changes)

    with pytest.raises(kind) as caught:
        ensure(hypervisor, dataclasses.replace(wanted, placement=dataclasses.replace(wanted.placement, **placement)))

    assert caught.value.field == field
    assert everything_on(hypervisor) == before


@pytest.mark.parametrize("changes", [{"image": "nowhere.qcow2"}, {"network_config": NOWHERE}])
def test_what_is_missing_is_told_before_a_guest_is_tried(
    hypervisor: Hypervisor, lab_host: Host, changes: dict[str, object]
) -> None:
    """With virt_type auto a probe takes ten seconds where KVM hangs."""
    wanted = dataclasses.replace(desired(lab_host, "quick", **changes), placement=Placement(image_pool="images"))
    logs = lab_host.layout.folder / "log"
    before = set(logs.rglob("hostler-probe-*"))

    with pytest.raises((ImageNotFound, InvalidSpec)):
        ensure(hypervisor, wanted)

    assert set(logs.rglob("hostler-probe-*")) == before


def test_a_disk_that_was_kept_is_not_overwritten_by_the_next_vm(hypervisor: Hypervisor, lab_host: Host) -> None:
    wanted = dataclasses.replace(desired(lab_host, "kept"), uuid="00000000-0000-4000-8000-000000000001")
    kept = Path(made(hypervisor, wanted).disks[0].path or "")
    ensure(hypervisor, Desired({"name": "kept"}, state="absent", delete_disks=False))
    content = kept.read_bytes()

    for uuid in (wanted.uuid, "00000000-0000-4000-8000-000000000002"):
        with pytest.raises(NameTaken, match="already has a volume"):
            ensure(hypervisor, dataclasses.replace(wanted, uuid=uuid))

    assert kept.read_bytes() == content
    assert hypervisor.find_domain_named("kept") is None


def test_a_further_disk_that_was_kept_is_not_overwritten_either(hypervisor: Hypervisor, lab_host: Host) -> None:
    wanted = desired(lab_host, "kept-too", disks=[{"size_gb": 0.01}])
    wanted = dataclasses.replace(wanted, uuid="00000000-0000-4000-8000-000000000003")
    root, further = [Path(disk.path or "") for disk in made(hypervisor, wanted).disks]
    ensure(hypervisor, Desired({"name": "kept-too"}, state="absent", delete_disks=False))
    volume = hypervisor.find_volume_at(str(root))
    assert volume is not None
    volume.delete()

    with pytest.raises(NameTaken, match=f"already has a volume '{further.name}'"):
        ensure(hypervisor, wanted)

    assert further.exists()
    assert not root.exists()


# What fails on the way is undone


def test_a_further_disk_that_can_not_be_made(hypervisor: Hypervisor, lab_host: Host) -> None:
    image = hypervisor.pool("images").create_volume("vanishing-too.qcow2", MIB, "qcow2")
    disks = [{"size_gb": 0.01}, {"size_gb": 0.01, "image": "vanishing-too.qcow2"}]
    plan = planned(hypervisor, desired(lab_host, "half-furnished", disks=disks))
    image.delete()
    before = everything_on(hypervisor)

    with pytest.raises(ImageNotFound) as caught:
        create.create(hypervisor, plan)

    assert caught.value.field == "disks.1.image"
    assert everything_on(hypervisor) == before


def test_an_image_that_vanishes_after_the_plan(hypervisor: Hypervisor, lab_host: Host) -> None:
    image = hypervisor.pool("images").create_volume("vanishing.qcow2", MIB, "qcow2")
    plan = planned(hypervisor, desired(lab_host, "imageless", image="vanishing.qcow2"))
    image.delete()
    before = everything_on(hypervisor)

    with pytest.raises(ImageNotFound):
        create.create(hypervisor, plan)

    assert everything_on(hypervisor) == before


def test_a_guest_that_does_not_start(hypervisor: Hypervisor, lab_host: Host) -> None:
    before = everything_on(hypervisor)
    reports: list[StepReport] = []
    plan = planned(
        hypervisor,
        desired(
            lab_host, "huge", "running", memory_mb=16 * 1024 * 1024, cloud_init=SEED, protected=True, autostart=True
        ),
    )

    with pytest.raises(OperationFailed, match=r"^Failed to start VM: "):
        create.create(hypervisor, plan, reports.append)

    assert everything_on(hypervisor) == before
    assert (reports[-1].state, reports[-1].title) == ("failed", "Start VM 'huge'")
    assert reports[-1].error


def test_a_seed_that_can_not_be_made(hypervisor: Hypervisor, lab_host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    before = everything_on(hypervisor)
    plan = planned(hypervisor, desired(lab_host, "seedless", cloud_init=SEED))
    monkeypatch.setitem(sys.modules, "pycdlib", None)

    with pytest.raises(Unsupported, match="pycdlib"):
        create.create(hypervisor, plan)

    assert everything_on(hypervisor) == before


def test_whoever_is_told_of_the_steps_and_fails(hypervisor: Hypervisor, lab_host: Host) -> None:
    before = everything_on(hypervisor)

    def report(one: StepReport) -> None:
        if one.position == 3:
            raise RuntimeError("the disk with the log is full")

    with pytest.raises(RuntimeError):
        create.create(hypervisor, planned(hypervisor, desired(lab_host, "unreported", cloud_init=SEED)), report)

    assert everything_on(hypervisor) == before


# Somebody else was quicker: what is theirs stays


def test_a_name_that_is_taken_after_the_plan(hypervisor: Hypervisor, lab_host: Host) -> None:
    plan = planned(hypervisor, desired(lab_host, "race"))
    theirs = made(hypervisor, desired(lab_host, "race"))
    before = everything_on(hypervisor)

    with pytest.raises(NameTaken, match="'race' already exists"):
        create.create(hypervisor, plan)

    assert everything_on(hypervisor) == before
    assert named(hypervisor, "race").uuid == theirs.uuid


@pytest.mark.parametrize("name", ["race-uuid", "race-other-name"])
def test_a_uuid_that_is_taken_after_the_plan(hypervisor: Hypervisor, lab_host: Host, name: str) -> None:
    wanted = dataclasses.replace(desired(lab_host, "race-uuid"), uuid="00000000-0000-4000-8000-00000000abcd")
    plan = planned(hypervisor, wanted)
    made(hypervisor, dataclasses.replace(wanted, spec={**wanted.spec, "name": name, "description": "theirs"}))
    before = everything_on(hypervisor)

    with pytest.raises(NameTaken, match="UUID"):
        create.create(hypervisor, plan)

    assert everything_on(hypervisor) == before
    assert "theirs" in hypervisor.domain(wanted.uuid or "").xml()


# A create that is cut off


def cut_before(position: int, hypervisor: Hypervisor, plan: Plan) -> None:
    """Carry the plan out up to that step, as when the process is killed there."""
    calls = iter(range(1, STEPS_OF_A_FULL_CREATE + 1))

    def fence() -> None:
        if next(calls) == position:
            raise Superseded("cut off")

    with pytest.raises(Superseded):
        create.create(hypervisor, plan, fence=fence)


@pytest.mark.parametrize("position", range(1, STEPS_OF_A_FULL_CREATE + 1))
def test_a_create_that_is_cut_off_is_refused_by_present_and_removed_by_absent(
    hypervisor: Hypervisor, lab_host: Host, position: int
) -> None:
    before = everything_on(hypervisor)
    wanted = full(lab_host, "cut")
    wanted = dataclasses.replace(wanted, spec={**wanted.spec, "protected": True})

    cut_before(position, hypervisor, planned(hypervisor, wanted))

    names, volumes = everything_on(hypervisor)
    assert len(volumes - before[1]) == min(max(position - 2, 0), 3)  # it is not undone
    if position > 1:
        assert "cut" in names
        assert named(hypervisor, "cut").status == ("running" if position == 7 else "creating")
        with pytest.raises(WrongState, match="state absent removes it"):
            ensure(hypervisor, wanted)
    answer = ensure(hypervisor, Desired({"name": "cut"}, state="absent"))
    assert answer["changed"] == (position > 1)
    assert everything_on(hypervisor) == before


@pytest.mark.parametrize("position", range(1, STEPS_OF_A_FULL_CREATE + 1))
def test_a_create_that_is_cut_off_can_be_carried_out_again(
    hypervisor: Hypervisor, lab_host: Host, position: int
) -> None:
    plan = planned(hypervisor, full(lab_host, "again"))
    cut_before(position, hypervisor, plan)

    vm = create.create(hypervisor, plan)

    assert (vm.status, vm.autostart) == ("running", True)
    assert vm.record is not None
    assert not vm.record.incomplete
    assert ensure(hypervisor, full(lab_host, "again"))["changed"] is False


def test_a_half_made_disk_is_made_anew(hypervisor: Hypervisor, lab_host: Host) -> None:
    plan = planned(hypervisor, full(lab_host, "half"))
    cut_before(4, hypervisor, plan)
    names = [step.operation.name for step in plan.steps if isinstance(step.operation, CreateVolume)]
    root, further = [lab_host.layout.pools["default"] / name for name in names]
    for disk in (root, further):
        disk.write_bytes(b"half a copy")

    vm = create.create(hypervisor, plan)

    assert [disk.size for disk in vm.disks[:2]] == [128 * MIB, 11 * MIB]
    for disk in (root, further):
        assert disk.read_bytes()[:4] == b"QFI\xfb"


def test_a_host_that_goes_away_in_the_middle_leaves_what_absent_removes(lab_host: Host) -> None:
    with Hypervisor.open(lab_host.uri) as hypervisor:
        before = everything_on(hypervisor)
        plan = planned(hypervisor, desired(lab_host, "lost", cloud_init=SEED))

        def report(one: StepReport) -> None:
            if (one.position, one.state) == (2, "succeeded"):
                lab_host.kill_libvirtd()

        try:
            with pytest.raises(HostUnreachable):
                create.create(hypervisor, plan, report)
        finally:
            lab_host.start_libvirtd()
    with Hypervisor.open(lab_host.uri) as hypervisor:
        assert named(hypervisor, "lost").status == "creating"

        ensure(hypervisor, Desired({"name": "lost"}, state="absent"))

        assert everything_on(hypervisor) == before


def test_the_first_step_alone_claims_the_name(hypervisor: Hypervisor, lab_host: Host) -> None:
    """Between plan and create nothing is on the host; after the first step everybody can see what is being made."""
    plan = planned(hypervisor, desired(lab_host, "claimed"))
    assert hypervisor.find_domain_named("claimed") is None
    assert isinstance(plan.steps[0].operation, DefineDomain)


def test_a_domain_of_others_without_a_record_is_never_taken_for_a_rest_of_ours(
    hypervisor: Hypervisor, lab_host: Host
) -> None:
    plan = planned(hypervisor, desired(lab_host, "plain"))
    (define,) = [step.operation for step in plan.steps if isinstance(step.operation, DefineDomain)]
    theirs = DomainDefinition("plain", define.definition.uuid, "qemu", 1, 65536, machine="q35")
    hypervisor.define(domain_xml(theirs))

    with pytest.raises(NameTaken):
        create.create(hypervisor, plan)

    assert named(hypervisor, "plain").disks == ()
