# SPDX-License-Identifier: GPL-3.0-or-later
"""When a VM can go back to a snapshot, and what it is then."""

import dataclasses
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import Disk, Interface
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import Unsupported, WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_revert import plan_revert
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_steps import RevertSnapshot
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_wish import SnapshotWish
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan
from ansible_collections.hostler.libvirt.plugins.module_utils.snapshot import Snapshot
from tests.core.machines import UUID
from tests.core.snapshots import AROUND, ROOT, defined, external, internal, on, vm

MEMORY = {"memory": "internal", "libvirt_state": "running"}
NEW = dataclasses.replace(AROUND, handles_external=True)
CARD = Interface("network", "default", "52:54:00:00:00:01", "virtio")
CD = Disk("cdrom", "sda", "sata", "/images/x.iso", "raw", read_only=True)


def plan(machine: ObservedMachine, snapshot: Snapshot, around: Any = AROUND, **wish: Any) -> Plan:
    wanted = SnapshotWish(state="reverted", snapshot=snapshot.name, **wish)
    return plan_revert(machine, snapshot, "latest", wanted, around)


@pytest.mark.parametrize(
    ("snapshot", "power", "after"),
    [
        (internal("a"), "as-taken", "stopped"),
        (internal("a"), "running", "running"),
        (internal("a"), "paused", "paused"),
        (internal("a", **MEMORY), "as-taken", "running"),
        (internal("a", **{**MEMORY, "libvirt_state": "paused"}), "as-taken", "paused"),
        (internal("a", **MEMORY), "paused", "paused"),
    ],
)
@pytest.mark.parametrize("status", ["stopped", "running", "saved"])
def test_a_revert_is_one_step_and_says_what_the_vm_is_then(
    snapshot: Snapshot, power: str, after: str, status: str
) -> None:
    found = plan(vm(status=status), snapshot, power=power)

    (step,) = found.steps
    assert step.operation == RevertSnapshot(UUID, "a", power, 600)
    assert found.before == {"state": status, "current": "latest"}
    assert found.after == {"state": after, "current": "a", "reverted": True}


def test_an_external_one_is_refused_before_anything_where_libvirt_can_not() -> None:
    with pytest.raises(Unsupported, match="can't revert to snapshot 'a', which is external"):
        plan(vm(on("/disks/a")), external("a"))

    assert plan(vm(on("/disks/a")), external("a"), NEW).changed  # whose file is another than then, by its nature


def test_a_transient_vm_and_a_snapshot_that_does_not_know_its_vm_are_refused() -> None:
    with pytest.raises(WrongState, match="transient"):
        plan(vm(status="running", is_persistent=False), internal("a"))
    with pytest.raises(Unsupported, match="does not say what the VM was like"):
        plan(vm(), internal("a", domain=None))


@pytest.mark.parametrize(
    ("machine", "words"),
    [
        (vm(on("/disks/later")), "disk vda is /disks/later and was /disks/web-1.qcow2"),
        (vm(ROOT, dataclasses.replace(ROOT, target="vdb")), "disk vdb was not there then"),
        (vm(CD), "disk vda is gone"),
        (vm(definition={"interfaces": (CARD,)}), "network card 52:54:00:00:00:01 was not there then"),
    ],
)
@pytest.mark.parametrize("force", [False, True])
def test_other_disks_or_addresses_are_refused_whatever_is_forced(
    machine: ObservedMachine, words: str, force: bool
) -> None:
    with pytest.raises(WrongState, match=words) as caught:
        plan(machine, internal("a"), force=force)
    assert caught.value.field == "snapshot"


def test_a_card_that_is_gone_is_refused_and_one_plugged_in_elsewhere_is_not() -> None:
    then = internal("a", domain=defined(interfaces=(CARD,)))
    elsewhere = dataclasses.replace(CARD, source="other", mac_address="52:54:00:00:00:01".upper())

    with pytest.raises(WrongState, match="network card 52:54:00:00:00:01 is gone"):
        plan(vm(), then)
    assert plan(vm(definition={"interfaces": (elsewhere,)}), then).changed


def test_a_disk_that_is_external_has_to_be_there_and_no_more() -> None:
    with pytest.raises(WrongState, match="disk vdb was not there then"):
        plan(vm(ROOT, dataclasses.replace(ROOT, target="vdb")), external("a"), NEW)


def test_other_cds_in_its_drives_are_no_other_hardware() -> None:
    assert plan(vm(ROOT, CD), internal("a")).changed


@pytest.mark.parametrize(
    ("now", "name", "was", "is_"),
    [
        ({"vcpus": 4}, "cpu_cores", 2, 4),
        ({"memory_kib": 2 * 1024**2}, "memory_mb", 1024, 2048),
        ({"machine": "pc-q35-7.2"}, "machine", None, "pc-q35-7.2"),
        ({"tpm": True}, "tpm", False, True),
        ({"name": "renamed", "nvram": "/vars"}, "uefi_variables", None, "/vars"),
    ],
)
def test_other_settings_come_back_where_that_is_forced_and_are_shown(
    now: dict[str, Any], name: str, was: Any, is_: Any
) -> None:
    machine = vm(definition=now)

    with pytest.raises(WrongState, match=f"{name} was {was} and is {is_}; force brings") as caught:
        plan(machine, internal("a"))
    assert caught.value.field == "force"

    forced = plan(machine, internal("a"), force=True)
    assert (forced.before[name], forced.after[name]) == (is_, was)


def test_a_vm_that_was_renamed_keeps_its_name_without_any_ado() -> None:
    assert plan(vm(definition={"name": "renamed"}), internal("a")).changed
