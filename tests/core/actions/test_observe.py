# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a VM, in each of its states, ours or somebody else's."""

import uuid as uuids

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.observe import observe
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import DomainDefinition
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.write import domain_xml
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import MachineNotFound
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.status import status_of
from lab.host import Host
from lab.processes import Process
from tests.core.actions.guests import SEED, desired, made, named, wait_until


@pytest.mark.parametrize(
    ("state", "reason", "saved", "status"),
    [
        (1, 1, False, "running"),
        (2, 0, False, "running"),
        (3, 1, False, "paused"),
        (4, 1, False, "stopping"),
        (5, 1, False, "stopped"),
        (5, 1, True, "saved"),
        (5, 3, False, "crashed"),
        (6, 1, False, "crashed"),
        (7, 1, False, "suspended"),
        (0, 0, False, "unknown"),
        (99, 0, False, "unknown"),
    ],
)
@pytest.mark.rule("vm-status")
def test_a_status_is_one_word_of_the_api(state: int, reason: int, saved: bool, status: str) -> None:
    assert status_of(state, reason, saved) == status


def test_the_test_drivers_own_domain_is_somebody_elses(test_driver: Hypervisor) -> None:
    vm = named(test_driver, "test")

    assert (vm.status, vm.is_active, vm.cpu_cores, vm.memory_kib) == ("running", True, 2, 8388608)
    data = vm.as_data()
    assert (data["managed"], data["tags"], data["description"], data["protected"]) == (False, [], None, False)
    assert (data["os_type"], data["os_version"], data["virt_type"]) == (None, None, "test")


@pytest.mark.lab
def test_a_vm_in_each_of_its_states(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "states", cloud_init=SEED))
    domain = hypervisor.domain(vm.uuid)
    assert (vm.status, vm.is_active, vm.is_off, vm.vnc_port, vm.address) == ("stopped", False, True, None, None)
    assert [(disk.target, disk.device, disk.size) for disk in vm.disks] == [
        ("vda", "disk", 128 * 1024**2),
        ("sda", "cdrom", None),
    ]

    domain.start()
    running = observe(hypervisor, domain)
    assert (running.status, running.is_active, running.is_off) == ("running", True, False)
    assert running.vnc_port is not None
    assert running.vnc_port >= 5900
    assert running.mac_address is not None
    assert running.disks == vm.disks

    domain.handle.suspend()
    assert observe(hypervisor, domain).status == "paused"

    domain.handle.managedSave()
    saved = observe(hypervisor, domain)
    assert (saved.status, saved.is_active, saved.is_off) == ("saved", False, False)

    domain.start()
    process: Process = lab_host.guest_process("states")
    process.signal(9)  # type: ignore[arg-type]  a number is a signal
    wait_until(lambda: not domain.is_active(), "libvirt has seen that QEMU is gone")
    crashed = observe(hypervisor, domain)
    assert (crashed.status, crashed.is_off) == ("crashed", True)


@pytest.mark.lab
def test_a_transient_vm_is_seen_as_it_runs(hypervisor: Hypervisor) -> None:
    definition = DomainDefinition("seen", str(uuids.uuid4()), "qemu", 2, 65536, machine="q35")
    domain = hypervisor.create_transient(domain_xml(definition))

    vm = observe(hypervisor, domain)

    assert (vm.status, vm.is_persistent, vm.autostart, vm.cpu_cores) == ("running", False, False, 2)
    domain.destroy()
    with pytest.raises(MachineNotFound):
        observe(hypervisor, domain)


@pytest.mark.lab
@pytest.mark.rule("units")
def test_sizes_are_those_of_the_next_start(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "pending", "running"))
    domain = hypervisor.domain(vm.uuid)
    domain.handle.setVcpusFlags(1, 2)
    domain.handle.setMemoryFlags(262144, 2 | 4)  # the maximum, in the definition only

    assert observe(hypervisor, domain).memory_kib == 262144
