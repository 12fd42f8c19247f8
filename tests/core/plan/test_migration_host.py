# SPDX-License-Identifier: GPL-3.0-or-later
"""Which VMs are not moved, and what another host may lack, said before anything is touched."""

import dataclasses
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.abilities import Abilities
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.needs import Needs
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    NameTaken,
    NetworkNotFound,
    Unsupported,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration_facts import Sighting
from tests.core.machines import FULL_RECORD
from tests.core.plan.migrating import HOST, around, machine, planned


def defined(vm: ObservedMachine, **changes: Any) -> ObservedMachine:
    """``vm`` with another definition, by which it runs if it does."""
    definition = dataclasses.replace(vm.definition, **changes)
    return dataclasses.replace(vm, definition=definition, running=definition if vm.is_active else None)


@pytest.mark.parametrize(
    ("here", "says"),
    [
        (Sighting(machine(record=FULL_RECORD)), "is being created"),
        (Sighting(machine(), migrating=True), "is being migrated"),
        (Sighting(machine(is_persistent=False)), "transient"),
        (Sighting(machine(status="saved")), "VM is saved: its memory would stay here"),
        (Sighting(machine(status="stopping")), "VM is stopping"),
        (Sighting(dataclasses.replace(machine(), status="crashed")), "VM is crashed"),
        (Sighting(machine(), snapshots=2), "has 2 snapshots"),
        (Sighting(machine(), checkpoints=1), "has 1 checkpoints"),
    ],
)
def test_a_vm_that_libvirt_can_not_move_is_refused(here: Sighting, says: str) -> None:
    with pytest.raises(WrongState, match=says):
        planned(around(here=here))


def test_devices_of_the_host_stay_and_of_one_that_is_off_may_be_said_to_be_there_too() -> None:
    needs = Needs(host_devices=("folder of its host (mount)",))
    for vm in (machine(), machine(status="stopped")):
        with pytest.raises(Unsupported, match=r"has a folder of its host \(mount\), which can't go along"):
            planned(around(vm, needs=needs))
    with pytest.raises(Unsupported):
        planned(around(needs=needs), unsafe=True)
    assert planned(around(machine(status="stopped"), needs=needs), unsafe=True).changed


@pytest.mark.parametrize(
    ("firmware", "tpm", "says"),
    [("uefi", False, "UEFI variables"), ("bios", True, "a TPM"), ("uefi", True, "and a TPM")],
)
def test_what_libvirt_would_leave_behind_of_a_vm_that_is_off_keeps_it_here(firmware: str, tpm: bool, says: str) -> None:
    off = defined(machine(status="stopped"), firmware=firmware)
    with pytest.raises(Unsupported, match=says):
        planned(around(off, needs=Needs(tpm=tpm)))
    assert planned(around(defined(machine(), firmware=firmware), needs=Needs(tpm=tpm))).changed


@pytest.mark.parametrize(
    ("other", "kind", "says"),
    [
        ({"namesake": "cccc"}, NameTaken, "b has another VM named 'web-1', with UUID cccc"),
        ({"taken_addresses": {"52:54:00:00:00:01": "db"}}, NameTaken, "52:54:00:00:00:01 of the VM is that of VM 'db'"),
        ({"virt_types": frozenset({"kvm"})}, Unsupported, "no domain type 'qemu'"),
        ({"refusal": "no such machine"}, Unsupported, "b can't run VM 'web-1': no such machine"),
        ({"abilities": Abilities(max_vcpus=1)}, Unsupported, "at most 1 virtual CPUs"),
        ({"memory_mb": 1023}, Unsupported, "1024 MiB of memory, and that host 1023"),
        ({"cpu_fits": False}, Unsupported, "its CPU can't do all"),
        ({"missing_networks": {"network x": "network 'x'"}}, NetworkNotFound, "b has no network 'x'"),
    ],
)
def test_what_the_other_host_lacks_is_named(other: dict[str, Any], kind: type[HostlerError], says: str) -> None:
    for vm in (machine(), machine(status="stopped")):
        with pytest.raises(kind, match=says) as caught:
            planned(around(vm, other=dataclasses.replace(HOST, **other)))
        assert caught.value.field == "destination_uri"


@pytest.mark.parametrize(
    ("needs", "changes", "abilities", "says"),
    [
        (Needs(), {"firmware": "uefi"}, Abilities(uefi=False), "no UEFI firmware for guests"),
        (Needs(), {"secure_boot": True}, Abilities(secure_boot=False), "Secure Boot"),
        (Needs(loader="/x.fd"), {}, Abilities(), "does not offer the firmware /x.fd"),
        (Needs(tpm=True), {}, Abilities(tpm=False), "can't emulate a TPM"),
    ],
)
def test_firmware_and_tpm_have_to_be_had_there(
    needs: Needs, changes: dict[str, Any], abilities: Abilities, says: str
) -> None:
    other = dataclasses.replace(HOST, abilities=abilities, loaders=frozenset({"/y.fd"}))
    with pytest.raises(Unsupported, match=says):
        planned(around(defined(machine(), **changes), needs=needs, other=other))


def test_a_kernel_has_to_be_in_a_pool_there_or_to_be_said_to_be_there() -> None:
    needs = Needs(files=("/boot/k",))
    with pytest.raises(Unsupported, match="/boot/k, from which the VM boots"):
        planned(around(needs=needs))
    assert planned(around(needs=needs), unsafe=True).changed
    assert planned(around(needs=needs, other=dataclasses.replace(HOST, files=frozenset(needs.files)))).changed
