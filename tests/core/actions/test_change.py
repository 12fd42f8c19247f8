# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of VMs that are there, carried out: on libvirt's test driver, and where that can't serve on a real host."""

import dataclasses
import json
import re
import uuid as uuids
from typing import Any

import libvirt_qemu
import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import change, power, rename
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure import ensure
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.observe import observe
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.perform import StepReport, perform
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import Graphics
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import read_domain
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.size_edit import SizeEdit
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    InvalidSpec,
    NameTaken,
    NotEnoughSpace,
    OperationFailed,
    Superseded,
    VolumeNotFound,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.change import Change
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.desired import Desired
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.machine_steps import (
    PlugMemory,
    PlugVcpus,
    RenameDomain,
    ResizeDomain,
    SetAutostart,
    SetVnc,
    WriteRecord,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power_steps import StartDomain, StopDomain
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan, Step
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import Placement
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volume_steps import GrowDisk
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import NetworkConfig
from lab.host import Host
from tests.core.actions.guests import desired, made, named, wait_until
from tests.core.actions.test_ensure import SMALL, TEST_POOL
from tests.core.actions.test_resize import defined, virtual_size
from tests.core.domain_xml.documents import FOREIGN, difference
from tests.core.machines import GIB, MIB

ROOM = {"max_cpu_cores": 4, "max_memory_mb": 1024}


def changed(hypervisor: Hypervisor, uuid: str, placement: Placement | None = None, **fields: Any) -> Plan:
    """Plan the change and carry it out; the plan."""
    plan = change.plan_for(hypervisor, uuid, Change(**fields), placement or Placement())
    perform(hypervisor, plan)
    return plan


def again(hypervisor: Hypervisor, uuid: str, **fields: Any) -> Plan:
    """The plan of the same change when it is done."""
    return change.plan_for(hypervisor, uuid, Change(**fields), Placement())


def now(hypervisor: Hypervisor, uuid: str) -> ObservedMachine:
    return observe(hypervisor, hypervisor.domain(uuid))


def whole(hypervisor: Hypervisor, uuid: str) -> str:
    """Its definition, passwords and all."""
    return hypervisor.domain(uuid).xml(inactive=True, secure=True)


@pytest.fixture
def vm(test_driver: Hypervisor) -> ObservedMachine:
    """A VM of ours on the test driver."""
    ensure(test_driver, Desired({"name": "changes", **SMALL}, placement=TEST_POOL))
    return named(test_driver, "changes")


# On the test driver


def test_all_that_needs_no_real_host_is_changed_at_once_and_not_again(
    test_driver: Hypervisor, vm: ObservedMachine
) -> None:
    fields: dict[str, Any] = {
        "name": "changed", "cpu_cores": 3, "memory_mb": 96, "os_type": "freebsd", "os_version": "14.1",
        "description": "<b>&", "tags": ("a", "b"), "autostart": True, "protected": True, "vnc_enabled": False,
        "network_config": NetworkConfig("network", network_name="default", model="e1000e"),
    }  # fmt: skip

    plan = changed(test_driver, vm.uuid, **fields)

    assert set(plan.after) == set(fields)
    after = now(test_driver, vm.uuid)
    assert (after.name, after.cpu_cores, after.memory_kib, after.autostart) == ("changed", 3, 96 * 1024, True)
    assert after.definition.graphics == ()
    assert after.definition.interfaces[0].model == "e1000e"
    assert after.record is not None
    assert vm.record is not None
    assert after.record == dataclasses.replace(
        vm.record, os_type="freebsd", os_version="14.1", description="<b>&", tags=("a", "b"), protected=True, revision=2
    )
    assert again(test_driver, vm.uuid, **fields) == Plan()
    changed(test_driver, vm.uuid, protected=False, description="", tags=(), vnc_enabled=True)
    assert now(test_driver, vm.uuid).definition.graphics == (Graphics("vnc", None, "127.0.0.1"),)
    record = now(test_driver, vm.uuid).record
    assert record is not None
    assert (record.protected, record.description, record.tags) == (False, None, ())


def test_a_plan_changes_nothing(test_driver: Hypervisor, vm: ObservedMachine) -> None:
    before = whole(test_driver, vm.uuid)

    assert change.plan_for(
        test_driver, vm.uuid, Change(name="other", cpu_cores=4, vnc_enabled=False), TEST_POOL
    ).changed

    assert whole(test_driver, vm.uuid) == before


def test_a_name_that_another_has_is_refused_before_anything_is_done(
    test_driver: Hypervisor, vm: ObservedMachine
) -> None:
    with pytest.raises(NameTaken, match="A VM named 'test' already exists") as caught:
        changed(test_driver, vm.uuid, name="test", cpu_cores=4)
    assert caught.value.field == "name"
    with pytest.raises(NameTaken):  # nor by a plan that is out of date
        perform(test_driver, Plan((Step("rename", RenameDomain(vm.uuid, "test")),)))

    assert now(test_driver, vm.uuid) == vm


def test_a_network_that_is_not_there_is_refused_before_anything_is_done(
    test_driver: Hypervisor, vm: ObservedMachine
) -> None:
    for config, field in (
        (NetworkConfig("bridge", "nowhere"), "network_config.bridge_name"),
        (NetworkConfig("network", network_name="nowhere"), "network_config.network_name"),
    ):
        with pytest.raises(InvalidSpec, match="not found on this host") as caught:
            changed(test_driver, vm.uuid, network_config=config, cpu_cores=4)
        assert caught.value.field == field
    with pytest.raises(InvalidSpec) as caught:
        changed(test_driver, vm.uuid, Placement(network="nowhere"), network_config=NetworkConfig("nat"))
    assert caught.value.field == "network_config.type"
    assert now(test_driver, vm.uuid) == vm


def steps(*operations: Any) -> Plan:
    return Plan(tuple(Step(type(one).__name__, one) for one in operations))


def test_a_change_that_fails_is_put_back_as_it_was(test_driver: Hypervisor, vm: ObservedMachine) -> None:
    assert vm.record is not None
    before = whole(test_driver, vm.uuid)
    reports: list[StepReport] = []
    plan = steps(
        ResizeDomain(vm.uuid, SizeEdit(4, 128 * 1024)),
        SetVnc(vm.uuid, None),
        RenameDomain(vm.uuid, "half-way"),
        WriteRecord(vm.uuid, dataclasses.replace(vm.record, description="half-way")),
        SetAutostart(vm.uuid, True),
        GrowDisk(vm.uuid, "/nowhere.qcow2", GIB),
    )

    with pytest.raises(VolumeNotFound, match=r"/nowhere\.qcow2 is in no storage pool$"):
        perform(test_driver, plan, reports.append)

    assert now(test_driver, vm.uuid) == vm
    assert difference(before, whole(test_driver, vm.uuid)) == []
    assert [(report.position, report.state) for report in reports][-3:] == [
        (5, "succeeded"), (6, "running"), (6, "failed"),
    ]  # fmt: skip


def test_what_can_not_be_put_back_is_told(test_driver: Hypervisor, vm: ObservedMachine) -> None:
    plan = steps(
        ResizeDomain(vm.uuid, SizeEdit(4)),
        RenameDomain(vm.uuid, "gone-on"),
        StartDomain(vm.uuid),
        GrowDisk(vm.uuid, "/nowhere.qcow2", GIB, live=True),
    )

    with pytest.raises(OperationFailed, match=r"; and not all could be put back: .*rename") as caught:
        perform(test_driver, plan)

    assert isinstance(caught.value.__cause__, HostlerError)
    assert now(test_driver, vm.uuid).cpu_cores == vm.cpu_cores  # all the same what can be is


def test_a_vm_that_went_off_before_it_could_grow_starts_with_its_new_sizes(
    test_driver: Hypervisor, vm: ObservedMachine
) -> None:
    perform(
        test_driver,
        steps(
            ResizeDomain(vm.uuid, SizeEdit(2, 256 * 1024), live=True),
            PlugVcpus(vm.uuid, 2),
            PlugMemory(vm.uuid, 256 * 1024),
        ),
    )

    after = now(test_driver, vm.uuid)
    assert (after.cpu_cores, after.memory_kib, after.status) == (2, 256 * 1024, "stopped")


def test_who_was_superseded_puts_nothing_back(test_driver: Hypervisor, vm: ObservedMachine) -> None:
    """Whoever has the VM now may have begun already."""
    calls = 0

    def fence() -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Superseded("another operation has taken the VM over")

    with pytest.raises(Superseded):
        perform(test_driver, steps(SetVnc(vm.uuid, None), SetAutostart(vm.uuid, True)), fence=fence)
    assert now(test_driver, vm.uuid).definition.graphics == ()
    assert now(test_driver, vm.uuid).autostart is False


def test_a_paused_vm_that_is_to_run_goes_on(test_driver: Hypervisor, vm: ObservedMachine) -> None:
    wanted = Desired({"name": "changes"}, state="running", create=False)
    power.start(test_driver, vm.uuid)
    test_driver.domain(vm.uuid).handle.suspend()

    predicted = ensure(test_driver, wanted, check=True)
    assert predicted["plan"] == [{"title": "Resume VM 'changes'", "applies": "now"}]
    assert predicted["diff"] == {"before": {"state": "paused"}, "after": {"state": "running"}}
    assert now(test_driver, vm.uuid).status == "paused"

    assert ensure(test_driver, wanted)["vm"]["status"] == "running"
    assert ensure(test_driver, wanted)["changed"] is False
    assert power.resume(test_driver, vm.uuid) is False
    power.force_stop(test_driver, vm.uuid)
    with pytest.raises(WrongState, match=r"^VM is not running$"):
        power.resume(test_driver, vm.uuid)


# On a real host, with VMs that need not boot


@pytest.mark.lab
def test_a_running_vm_with_room_grows_and_its_next_boot_is_the_same(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "grows-live", "running", **ROOM))
    wanted = Desired({"name": "grows-live", "cpu_cores": 3, "memory_mb": 384, "disk_gb": 0.25}, live=True, create=False)

    predicted = ensure(hypervisor, wanted, check=True)
    answer = ensure(hypervisor, wanted)

    assert {**predicted, "vm": None} == {**answer, "vm": None}
    assert (answer["changed"], answer["next_boot"]) == (True, [])
    assert answer["diff"]["before"] == {"cpu_cores": 1, "memory_mb": 128, "disk_gb": 0.125}
    after = now(hypervisor, vm.uuid)
    assert after.running is not None
    assert (after.running.vcpus, after.running.memory_kib, after.running.memory_modules) == (3, 384 * 1024, 1)
    assert (after.cpu_cores, after.memory_kib, after.disk_gb, after.definition.memory_modules) == (3, 393216, 0.25, 0)
    volume = hypervisor.find_volume_at(vm.disks[0].path or "")
    assert volume is not None
    assert volume.facts().capacity == 256 * MIB
    assert ensure(hypervisor, wanted)["changed"] is False

    power.power_cycle(hypervisor, vm.uuid)
    after = now(hypervisor, vm.uuid)
    assert after.running is not None
    assert (after.running.vcpus, after.running.memory_kib, after.running.memory_modules) == (3, 384 * 1024, 0)
    assert (after.definition.max_vcpus, after.definition.max_memory_kib) == (4, 1024**2)  # there is room for more
    power.force_stop(hypervisor, vm.uuid)
    assert virtual_size(vm.disks[0].path) == 256 * MIB


@pytest.mark.lab
@pytest.mark.slow
def test_what_a_running_vm_has_no_room_for_waits_for_its_next_boot(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "waits", "running"))
    roomy = made(hypervisor, desired(lab_host, "waits-in-part", "running", **ROOM))

    plan = changed(hypervisor, vm.uuid, cpu_cores=2, memory_mb=256, disk_gb=0.25, vnc_enabled=False, live=True)
    assert plan.next_boot == ["cpu_cores", "memory_mb", "vnc_enabled"]
    after = now(hypervisor, vm.uuid)
    assert after.running is not None
    assert (after.running.vcpus, after.running.memory_kib, after.vnc_port is None) == (1, 128 * 1024, False)
    assert (after.cpu_cores, after.memory_kib, after.disk_gb, after.definition.graphics) == (2, 262144, 0.25, ())

    plan = changed(hypervisor, roomy.uuid, cpu_cores=6, memory_mb=300, live=True)
    assert plan.next_boot == ["cpu_cores", "memory_mb"]
    after = now(hypervisor, roomy.uuid)
    assert after.running is not None
    assert (after.running.vcpus, after.running.memory_kib // 1024) == (4, 256)
    assert (after.cpu_cores, after.memory_kib // 1024) == (6, 300)
    assert again(hypervisor, roomy.uuid, cpu_cores=6, memory_mb=300, live=True) == Plan()

    changed(hypervisor, roomy.uuid, cpu_cores=1, memory_mb=128, live=True)  # less comes with the next boot, too
    for one in (vm, roomy):
        power.power_cycle(hypervisor, one.uuid)
    after = now(hypervisor, vm.uuid)
    assert after.running is not None
    assert (after.running.vcpus, after.running.memory_kib, after.vnc_port) == (2, 262144, None)
    after = now(hypervisor, roomy.uuid)
    assert after.running is not None
    assert (after.running.vcpus, after.running.memory_kib) == (1, 131072)


@pytest.mark.lab
def test_memory_that_can_not_be_plugged_in_leaves_the_definition_as_it_was(
    hypervisor: Hypervisor, lab_host: Host
) -> None:
    vm = made(hypervisor, desired(lab_host, "too-much", "running", **ROOM))
    before = whole(hypervisor, vm.uuid)
    too_much = steps(ResizeDomain(vm.uuid, SizeEdit(None, 2 * 1024**2), live=True), PlugMemory(vm.uuid, 2 * 1024**2))

    with pytest.raises(HostlerError, match="Failed to plug memory into the VM"):
        perform(hypervisor, too_much)
    assert difference(before, whole(hypervisor, vm.uuid)) == []

    kept = steps(
        ResizeDomain(vm.uuid, SizeEdit(None, 256 * 1024), live=True), PlugMemory(vm.uuid, 256 * 1024),
        GrowDisk(vm.uuid, "/nowhere.qcow2", GIB, live=True),
    )  # fmt: skip
    with pytest.raises(OperationFailed, match="the memory that was plugged in stays until the VM is off"):
        perform(hypervisor, kept)
    assert difference(before, whole(hypervisor, vm.uuid)) == []


@pytest.mark.lab
@pytest.mark.slow
def test_memory_modules_in_a_definition_are_counted_and_fitted(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "modules", **ROOM))
    module = "<memory model='dimm'><target><size unit='MiB'>256</size><node>0</node></target></memory>"
    hypervisor.domain(vm.uuid).handle.attachDeviceFlags(module, 2)
    assert (now(hypervisor, vm.uuid).memory_kib, now(hypervisor, vm.uuid).definition.memory_modules) == (384 * 1024, 1)

    for mib, modules in ((512, 1), (384, 0), (128, 0), (1024, 0)):
        changed(hypervisor, vm.uuid, memory_mb=mib, cpu_cores=2)
        after = now(hypervisor, vm.uuid)
        assert (after.memory_kib, after.definition.memory_modules, after.cpu_cores) == (mib * 1024, modules, 2)
        power.start(hypervisor, vm.uuid)  # which sees whether QEMU takes it
        running = now(hypervisor, vm.uuid).running
        assert running is not None
        assert running.memory_kib == mib * 1024
        power.force_stop(hypervisor, vm.uuid)


@pytest.mark.lab
@pytest.mark.skipif("os.geteuid() != 0", reason="a plain user's lab has no networks")
def test_the_card_of_a_running_vm_is_plugged_in_elsewhere_now_and_for_good(
    hypervisor: Hypervisor, lab_host: Host
) -> None:
    vm = made(hypervisor, desired(lab_host, "plugged", "running"))
    bridge = re.findall("bridge='([^']+)'", hypervisor.domain(vm.uuid).xml())[0]
    mac = vm.mac_address

    plan = changed(hypervisor, vm.uuid, network_config=NetworkConfig("bridge", bridge))
    assert plan.next_boot == []
    after = now(hypervisor, vm.uuid)
    assert after.running is not None
    for card in (after.running.interfaces[0], after.definition.interfaces[0]):
        assert (card.type, card.source, card.mac_address, card.model) == ("bridge", bridge, mac, "virtio")
    assert again(hypervisor, vm.uuid, network_config=NetworkConfig("bridge", bridge)) == Plan()

    plan = changed(hypervisor, vm.uuid, network_config=NetworkConfig("none"))
    assert plan.next_boot == ["network_config"]
    after = now(hypervisor, vm.uuid)
    assert after.running is not None
    assert (after.mac_address, after.running.interfaces[0].mac_address) == (None, mac)
    power.force_stop(hypervisor, vm.uuid)
    changed(hypervisor, vm.uuid, network_config=NetworkConfig("nat", model="e1000e", mac_address="52:54:00:12:34:56"))
    card = now(hypervisor, vm.uuid).definition.interfaces[0]
    assert (card.source, card.model, card.mac_address) == ("default", "e1000e", "52:54:00:12:34:56")
    power.start(hypervisor, vm.uuid)


@pytest.mark.lab
def test_a_renamed_vm_keeps_its_uefi_variables_and_nobody_else_gets_them(
    hypervisor: Hypervisor, lab_host: Host
) -> None:
    vm = made(hypervisor, desired(lab_host, "uefi-before", "running", firmware="uefi", tpm=True))
    variables = read_domain(hypervisor.domain(vm.uuid).xml()).nvram
    assert variables is not None
    power.force_stop(hypervisor, vm.uuid)

    changed(hypervisor, vm.uuid, name="uefi-after", autostart=True)

    assert hypervisor.find_domain_named("uefi-before") is None
    assert named(hypervisor, "uefi-after").uuid == vm.uuid
    assert hypervisor.nvram_path(whole(hypervisor, vm.uuid)) == variables  # with which it would start
    assert now(hypervisor, vm.uuid).autostart
    with pytest.raises(NameTaken, match="VM 'uefi-after' was named 'uefi-before' before") as caught:
        made(hypervisor, desired(lab_host, "uefi-before", firmware="uefi"))
    assert caught.value.field == "name"
    made(hypervisor, desired(lab_host, "uefi-before"))  # without variables there are none to be had

    before = whole(hypervisor, vm.uuid)
    with pytest.raises(VolumeNotFound):
        perform(hypervisor, steps(RenameDomain(vm.uuid, "uefi-x"), GrowDisk(vm.uuid, "/nowhere", GIB)))
    assert difference(before, whole(hypervisor, vm.uuid)) == []


@pytest.mark.lab
def test_a_rename_keeps_snapshots_and_waits_for_whoever_is_saved_or_runs(
    hypervisor: Hypervisor, lab_host: Host
) -> None:
    vm = made(hypervisor, desired(lab_host, "snapped"))
    handle = hypervisor.domain(vm.uuid).handle
    handle.snapshotCreateXML("<domainsnapshot><name>kept</name></domainsnapshot>")
    changed(hypervisor, vm.uuid, name="snapped-2")
    assert hypervisor.domain(vm.uuid).handle.snapshotListNames() == ["kept"]

    power.start(hypervisor, vm.uuid)
    with pytest.raises(WrongState, match=r"^VM must be stopped before renaming$"):
        changed(hypervisor, vm.uuid, name="snapped-3")
    with pytest.raises(WrongState, match=r"^VM must be stopped before renaming$"):  # nor by a plan that is out of date
        rename.rename(hypervisor, RenameDomain(vm.uuid, "snapped-3"))
    hypervisor.domain(vm.uuid).handle.managedSave()
    for fields in ({"name": "snapped-3"}, {"memory_mb": 256}, {"vnc_enabled": False}):
        with pytest.raises(WrongState, match="start it, then stop it"):
            changed(hypervisor, vm.uuid, **fields)
    with pytest.raises(WrongState):
        perform(hypervisor, steps(RenameDomain(vm.uuid, "snapped-3")))
    changed(hypervisor, vm.uuid, description="said of one that is saved")
    power.start(hypervisor, vm.uuid)
    after = now(hypervisor, vm.uuid)
    assert (after.name, after.status) == ("snapped-2", "running")
    assert after.record is not None
    assert after.record.description == "said of one that is saved"


@pytest.mark.lab
def test_a_transient_vm_grows_and_is_else_left_alone(hypervisor: Hypervisor) -> None:
    xml = re.sub("<uuid>.*?</uuid>", "", FOREIGN["bare"]).replace("type='test'", "type='qemu'")
    xml = xml.replace("<os>", "<vcpu current='1'>4</vcpu><os>").replace("<name>bare", "<name>passing")
    uuid = hypervisor.create_transient(xml).uuid

    changed(hypervisor, uuid, cpu_cores=2, live=True)

    assert now(hypervisor, uuid).cpu_cores == 2
    for fields in ({"name": "x"}, {"cpu_cores": 8, "live": True}, {"description": "x"}, {"vnc_enabled": True}):
        with pytest.raises(WrongState, match=r"^VM is transient"):
            changed(hypervisor, uuid, **fields)


@pytest.mark.lab
@pytest.mark.parametrize("name", ["windows_spice", "numa_realtime", "bare"])
def test_a_vm_of_others_gets_what_is_asked_and_is_else_as_they_wrote_it(hypervisor: Hypervisor, name: str) -> None:
    domain = defined(hypervisor, FOREIGN[name].replace("type='test'", "type='qemu'"))
    before = whole(hypervisor, domain.uuid)

    changed(hypervisor, domain.uuid, vnc_enabled=True, autostart=True, name=f"theirs-{name[:4]}")
    added = difference(before, whole(hypervisor, domain.uuid))
    assert {line.split()[1] for line in added} <= {
        "/domain/name", "/domain/devices", "/domain/devices/graphics", "/domain/devices/graphics/listen",
        "/domain/devices/video", "/domain/devices/video/model", "/domain/devices/video/address",
        "/domain/devices/audio",
    }, added  # fmt: skip
    assert now(hypervisor, domain.uuid).record is None

    named_theirs = whole(hypervisor, domain.uuid)
    changed(hypervisor, domain.uuid, description="Ours from now on", tags=("adopted",))
    record = now(hypervisor, domain.uuid).record
    assert record is not None
    assert (record.description, record.tags, record.os_type, record.id, record.revision) == (
        "Ours from now on", ("adopted",), None, None, 1,
    )  # fmt: skip
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", record.created)
    lines = difference(named_theirs, whole(hypervisor, domain.uuid))
    assert all(line.startswith("+ /domain/metadata") for line in lines), lines


@pytest.mark.lab
def test_a_disk_that_its_pool_could_never_hold_is_refused_before_anything_is_done(
    hypervisor: Hypervisor, lab_host: Host
) -> None:
    vm = made(hypervisor, desired(lab_host, "huge"))
    before = now(hypervisor, vm.uuid)

    for fields in ({}, {"live": True}):
        with pytest.raises(NotEnoughSpace, match=r"holds .* GiB in all, less than the 60000 GiB of the disk") as caught:
            changed(hypervisor, vm.uuid, cpu_cores=2, disk_gb=60000, **fields)
        assert caught.value.field == "disk_gb"
    with pytest.raises(NotEnoughSpace):
        ensure(hypervisor, Desired({"name": "huge", "cpu_cores": 2, "disk_gb": 60000}, create=False), check=True)
    assert now(hypervisor, vm.uuid) == before


@pytest.mark.lab
def test_a_start_that_fails_takes_the_new_sizes_back(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "unstartable"))
    too_much = Desired({"name": "unstartable", "memory_mb": 8 * 1024 * 1024}, state="running", create=False)

    with pytest.raises(HostlerError, match="Failed to start VM"):
        ensure(hypervisor, too_much)

    assert now(hypervisor, vm.uuid) == vm


@pytest.mark.lab
def test_a_stop_within_a_plan_heeds_who_takes_the_vm_over(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "overtaken", "running"))
    calls = 0

    def fence() -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Superseded("another operation has taken the VM over")

    with pytest.raises(Superseded):
        perform(hypervisor, steps(StopDomain(vm.uuid, timeout=0.1, force=True)), fence=fence)
    assert now(hypervisor, vm.uuid).status == "running"


def test_a_vm_that_is_gone_is_said_so(test_driver: Hypervisor) -> None:
    with pytest.raises(HostlerError, match="find the VM") as caught:
        changed(test_driver, str(uuids.uuid4()), description="x")
    assert caught.value.code == "vm_not_found"


# With a guest that has booted


@pytest.mark.lab
@pytest.mark.slow
def test_a_guest_uses_what_is_plugged_in_while_it_runs(hypervisor: Hypervisor, lab_host: Host) -> None:
    spec = {"image": "tiny.qcow2", "image_mode": "backing", "memory_mb": 256, **ROOM}
    vm = made(hypervisor, desired(lab_host, "uses", "running", **spec))
    handle = hypervisor.domain(vm.uuid).handle

    def asked(command: str) -> Any:
        answer = libvirt_qemu.qemuAgentCommand(handle, json.dumps({"execute": command}), 10, 0)
        return json.loads(answer)["return"]

    def listens() -> bool:
        running = now(hypervisor, vm.uuid).running
        return running is not None and running.guest_agent_connected

    wait_until(listens, "the guest listens")
    assert len(asked("guest-get-vcpus")) == 1
    blocks = len(asked("guest-get-memory-blocks"))

    changed(hypervisor, vm.uuid, cpu_cores=3, memory_mb=512, live=True)

    wait_until(lambda: len(asked("guest-get-vcpus")) == 3, "the guest sees its vCPUs")
    wait_until(lambda: len(asked("guest-get-memory-blocks")) == blocks + 2, "the guest sees its memory")
    assert power.restart(hypervisor, vm.uuid, timeout=60)
    assert power.stop(hypervisor, vm.uuid, timeout=90)
    power.start(hypervisor, vm.uuid)
    wait_until(listens, "the guest listens")
    assert len(asked("guest-get-vcpus")) == 3
