# SPDX-License-Identifier: GPL-3.0-or-later
"""To disk and back, with VMs for which that can be and with others."""

import uuid as uuids

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import power
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.saved_memory import restore, save
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import DomainDefinition
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.write import domain_xml
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import MachineNotFound, WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from lab.host import Host
from tests.core.actions.guests import desired, made, named

pytestmark = pytest.mark.lab


def test_a_guest_goes_on_where_it_was_saved_paused_or_not(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "put-aside", "running"))

    assert save(hypervisor, vm.uuid) is True
    assert named(hypervisor, "put-aside").status == "saved"
    assert save(hypervisor, vm.uuid) is False
    assert restore(hypervisor, vm.uuid) is True
    assert named(hypervisor, "put-aside").status == "running"
    assert restore(hypervisor, vm.uuid) is False

    assert power.pause(hypervisor, vm.uuid) is True
    assert power.pause(hypervisor, vm.uuid) is False
    assert save(hypervisor, vm.uuid) is True
    assert restore(hypervisor, vm.uuid) is True
    assert named(hypervisor, "put-aside").status == "running"


def test_one_that_is_off_has_nothing_to_save_and_nothing_to_go_on_from(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "off"))

    for switch in (save, power.pause):
        with pytest.raises(WrongState, match=r"^VM is not running$"):
            switch(hypervisor, vm.uuid)
    with pytest.raises(WrongState, match=r"^VM has no saved memory to go on from$"):
        restore(hypervisor, vm.uuid)


def test_a_transient_vm_is_not_saved_away(hypervisor: Hypervisor) -> None:
    definition = DomainDefinition("stays", str(uuids.uuid4()), "qemu", 1, 65536, machine="q35")
    domain = hypervisor.create_transient(domain_xml(definition))

    with pytest.raises(WrongState, match=r"^VM is transient"):
        save(hypervisor, definition.uuid)
    assert domain.is_active()


def test_a_vm_that_is_not_there_is_said_so(hypervisor: Hypervisor) -> None:
    for switch in (save, restore, power.pause):
        with pytest.raises(MachineNotFound):
            switch(hypervisor, str(uuids.uuid4()))
