# SPDX-License-Identifier: GPL-3.0-or-later
"""On, off and on again, with guests that obey, that don't, and that somebody else has switched meanwhile."""

import re
import signal
import uuid as uuids
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import power
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.observe import observe
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import DomainDefinition
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.write import domain_xml
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    GuestTimeout,
    HostlerError,
    MachineNotFound,
    OperationFailed,
    Superseded,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from lab.errors import LabError
from lab.host import Host
from lab.processes import Process
from tests.core.actions.guests import SEED, desired, made, named, wait_until

pytestmark = pytest.mark.lab

RUNNING = 1  # VIR_DOMAIN_RUNNING


def listens(hypervisor: Hypervisor, vm: ObservedMachine) -> bool:
    """Whether the guest has booted: its agent is connected."""
    running = observe(hypervisor, hypervisor.domain(vm.uuid)).running
    return running is not None and running.guest_agent_connected


@pytest.mark.slow
def test_a_guest_boots_says_its_address_and_obeys_the_power_button(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(
        hypervisor, desired(lab_host, "obeys", "running", image="tiny.qcow2", image_mode="backing", cloud_init=SEED)
    )
    domain = hypervisor.domain(vm.uuid)
    assert power.start(hypervisor, vm.uuid) is False

    def source_of_address() -> str | None:
        address = observe(hypervisor, domain).address
        return None if address is None else address.source

    wait_until(lambda: source_of_address() == "agent", "the agent says the guest's address")
    running = named(hypervisor, "obeys")
    assert running.address is not None
    assert running.vnc_port is not None
    assert running.as_data()["ip_source"] == "agent"
    network = hypervisor.find_network("default")
    if lab_host.network is not None:  # a plain user's lab has QEMU's own NAT, where nobody knows of leases
        assert network is not None
        assert network.lease_of(running.mac_address or "") == running.address.address
        assert network.lease_of("52:54:00:00:00:00") == ""

    assert power.stop(hypervisor, vm.uuid, timeout=60) is True

    off = named(hypervisor, "obeys")
    assert (off.status, off.address, off.vnc_port) == ("stopped", None, None)
    assert power.stop(hypervisor, vm.uuid, timeout=60) is False
    assert power.force_stop(hypervisor, vm.uuid) is False


@pytest.mark.skipif("os.geteuid() != 0", reason="a plain user's lab has no leases")
@pytest.mark.slow
def test_a_guest_without_an_agent_is_found_by_its_lease_and_restarts_by_its_power_button(
    hypervisor: Hypervisor, lab_host: Host
) -> None:
    vm = made(hypervisor, desired(lab_host, "agentless", image="tiny.qcow2", image_mode="backing"))
    domain = hypervisor.domain(vm.uuid)
    xml = domain.xml(inactive=True, secure=True)
    hypervisor.redefine(xml.replace("org.qemu.guest_agent.0", "org.example.nobody.0"))

    power.start(hypervisor, vm.uuid)
    wait_until(lambda: observe(hypervisor, domain).address is not None, "there is a lease")

    address = observe(hypervisor, domain).address
    assert address is not None
    assert address.source == "lease"
    number = domain.handle.ID()
    assert power.restart(hypervisor, vm.uuid, timeout=60) is True  # by the power button: libvirt makes a reset of it
    assert domain.handle.ID() == number
    assert power.force_stop(hypervisor, vm.uuid) is True
    assert observe(hypervisor, domain).address is None  # though the lease is still there


def test_a_guest_that_ignores_the_button_stays_on_without_force(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "deaf", "running"))

    with pytest.raises(GuestTimeout, match=r"within 0\.6 s; the VM is still running") as caught:
        power.stop(hypervisor, vm.uuid, timeout=0.6)
    assert caught.value.code == "guest_timeout"
    assert named(hypervisor, "deaf").status == "running"

    assert power.stop(hypervisor, vm.uuid, timeout=0.3, force=True) is True
    assert named(hypervisor, "deaf").status == "stopped"


def test_a_stop_that_was_superseded_pulls_no_plug(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "superseded", "running"))

    def fence() -> None:
        raise Superseded("another operation has taken the VM over")

    with pytest.raises(Superseded):
        power.stop(hypervisor, vm.uuid, timeout=0.1, force=True, fence=fence)
    assert named(hypervisor, "superseded").status == "running"


def test_a_paused_guest_is_on(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "paused", "running"))
    hypervisor.domain(vm.uuid).handle.suspend()
    assert named(hypervisor, "paused").status == "paused"

    assert power.start(hypervisor, vm.uuid) is False
    assert power.is_off(hypervisor, vm.uuid) is False
    assert power.force_stop(hypervisor, vm.uuid) is True


def test_a_saved_guest_goes_on(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "dozes", "running"))
    hypervisor.domain(vm.uuid).handle.managedSave()

    assert power.is_off(hypervisor, vm.uuid) is True
    assert power.start(hypervisor, vm.uuid) is True
    assert named(hypervisor, "dozes").status == "running"


def test_a_transient_guest_that_vanishes_when_it_is_off_is_stopped_all_the_same(hypervisor: Hypervisor) -> None:
    definition = DomainDefinition("vanishes", str(uuids.uuid4()), "qemu", 1, 65536, machine="q35")
    hypervisor.create_transient(domain_xml(definition))

    assert power.stop(hypervisor, definition.uuid, timeout=0.1, force=True) is True

    assert hypervisor.find_domain(definition.uuid) is None
    assert power.is_off(hypervisor, definition.uuid) is True


def test_a_vm_that_is_not_there_is_said_so(hypervisor: Hypervisor) -> None:
    nobody = str(uuids.uuid4())

    for switch in (
        power.start,
        power.force_stop,
        power.ask_to_stop,
        power.resume,
        power.reset,
        power.power_cycle,
        power.ask_to_reboot,
    ):
        with pytest.raises(MachineNotFound):
            switch(hypervisor, nobody)
    with pytest.raises(HostlerError):
        power.stop(hypervisor, nobody, timeout=1)


# On again


@pytest.mark.slow
def test_a_guest_restarts_when_it_is_asked_to_and_when_it_is_reset(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "restarts", "running", image="tiny.qcow2", image_mode="backing"))
    domain = hypervisor.domain(vm.uuid)
    number = domain.handle.ID()
    wait_until(lambda: listens(hypervisor, vm), "the guest listens")

    assert power.restart(hypervisor, vm.uuid, timeout=60) is True

    assert (named(hypervisor, "restarts").status, hypervisor.domain(vm.uuid).handle.ID()) == ("running", number)
    with hypervisor.reboots_of(vm.uuid) as reboots:
        assert power.reset(hypervisor, vm.uuid) is True
        wait_until(lambda: reboots.happened, "the reset is seen")
    assert hypervisor.domain(vm.uuid).handle.ID() == number
    assert power.restart(hypervisor, vm.uuid, timeout=0, force=True) is True
    assert named(hypervisor, "restarts").status == "running"
    assert hypervisor.domain(vm.uuid).handle.ID() != number


@pytest.mark.slow
def test_a_guest_that_powers_off_instead_is_told_so(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "ends", image="tiny.qcow2", image_mode="backing"))
    xml = hypervisor.domain(vm.uuid).xml(inactive=True, secure=True)
    hypervisor.redefine(xml.replace("<on_reboot>restart<", "<on_reboot>destroy<"))
    power.start(hypervisor, vm.uuid)
    wait_until(lambda: listens(hypervisor, vm), "the guest listens")

    with pytest.raises(OperationFailed, match=r"^Failed to restart VM: it powered off instead and is off now$"):
        power.restart(hypervisor, vm.uuid, timeout=60)

    assert named(hypervisor, "ends").status == "stopped"
    assert "<on_reboot>destroy<" in hypervisor.domain(vm.uuid).xml(inactive=True)


@pytest.mark.slow
def test_a_guest_that_is_asked_while_it_boots_is_asked_again(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "boots", "running", image="tiny.qcow2", image_mode="backing"))

    assert power.restart(hypervisor, vm.uuid, timeout=120) is True


def test_a_guest_that_ignores_it_runs_on(
    hypervisor: Hypervisor, lab_host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    vm = made(hypervisor, desired(lab_host, "ignores", "running"))
    monkeypatch.setattr(power, "ASK_AGAIN_SECONDS", 0.1)
    asked_again = []

    with pytest.raises(GuestTimeout, match=r"^The guest did not restart within 0\.6 s; the VM is still running$"):
        power.restart(hypervisor, vm.uuid, timeout=0.6, fence=lambda: asked_again.append(True))

    assert asked_again
    assert named(hypervisor, "ignores").status == "running"

    def fence() -> None:
        raise Superseded("another operation has taken the VM over")

    with pytest.raises(Superseded):
        power.restart(hypervisor, vm.uuid, timeout=60, fence=fence)


def test_a_paused_guest_can_not_shut_down_and_is_powered_off_by_force(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "deaf", "running"))
    hypervisor.domain(vm.uuid).handle.suspend()

    with pytest.raises(WrongState, match=r"^VM is paused: its guest can't shut down$"):
        power.stop(hypervisor, vm.uuid, timeout=600)
    assert named(hypervisor, "deaf").status == "paused"
    assert power.stop(hypervisor, vm.uuid, timeout=600, force=True) is True

    assert named(hypervisor, "deaf").status == "stopped"


def test_a_paused_guest_can_not_restart_itself_and_can_be_reset(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "frozen", "running"))
    hypervisor.domain(vm.uuid).handle.suspend()

    with pytest.raises(WrongState, match=r"^VM is paused: its guest can't restart$"):
        power.restart(hypervisor, vm.uuid, timeout=60)

    assert power.reset(hypervisor, vm.uuid) is True
    assert named(hypervisor, "frozen").status == "paused"
    assert power.power_cycle(hypervisor, vm.uuid) is True
    assert named(hypervisor, "frozen").status == "running"


def test_a_power_cycle_whose_start_fails_once_is_done(hypervisor: Hypervisor, lab_host: Host, tmp_path: Path) -> None:
    vm = made(hypervisor, desired(lab_host, "cycled", "running"))
    domain = hypervisor.domain(vm.uuid)
    xml = domain.xml(inactive=True, secure=True)
    (emulator,) = re.findall("<emulator>(.*)</emulator>", xml)
    once = tmp_path / "qemu"
    once.write_text(f"""#!/bin/sh
case "$*" in *guest=cycled*) [ -e {tmp_path}/failed ] || {{ touch {tmp_path}/failed; exit 1; }} ;; esac
exec {emulator} "$@"
""")
    once.chmod(0o755)
    hypervisor.redefine(xml.replace(emulator, str(once)))

    assert power.power_cycle(hypervisor, vm.uuid) is True

    assert (tmp_path / "failed").exists()
    assert named(hypervisor, "cycled").status == "running"


def test_a_power_cycle_whose_new_qemu_is_ended_at_once_is_done(
    hypervisor: Hypervisor, lab_host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(power, "SETTLES_SECONDS", 30)  # however late libvirtd hears of it
    vm = made(hypervisor, desired(lab_host, "cycled", "running"))
    first = lab_host.guest_process("cycled")

    def end_the_second() -> Process:
        with Hypervisor.open(lab_host.uri) as other:
            domain, before = other.domain(vm.uuid), first.pid

            def it_runs() -> bool:
                with suppress(LabError):  # it has just been ended
                    return domain.state_and_reason()[0] == RUNNING and lab_host.guest_process("cycled").pid != before
                return False

            wait_until(it_runs, "another QEMU runs", look_every=0.001)
        second = lab_host.guest_process("cycled")
        second.signal(signal.SIGKILL)
        return second

    with ThreadPoolExecutor() as beside:
        ended = beside.submit(end_the_second)
        assert power.power_cycle(hypervisor, vm.uuid) is True
        second = ended.result()

    assert named(hypervisor, "cycled").status == "running"
    assert lab_host.guest_process("cycled").pid not in (first.pid, second.pid)


def test_a_power_cycle_that_does_not_come_back_says_that_the_vm_is_off(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "diskless", "running"))
    volume = hypervisor.find_volume_at(vm.disks[0].path or "")
    assert volume is not None
    volume.delete()  # libvirt does that without a word

    with pytest.raises(OperationFailed, match=r"^Failed to start VM: .*; the VM is off now$"):
        power.power_cycle(hypervisor, vm.uuid)

    assert named(hypervisor, "diskless").status == "stopped"


def test_a_transient_guest_is_not_cut_off_for_good(hypervisor: Hypervisor) -> None:
    definition = DomainDefinition("stays-on", str(uuids.uuid4()), "qemu", 1, 65536, machine="q35")
    hypervisor.create_transient(domain_xml(definition))

    with pytest.raises(WrongState, match=r"^VM is transient"):
        power.power_cycle(hypervisor, definition.uuid)

    assert power.is_off(hypervisor, definition.uuid) is False
    assert power.reset(hypervisor, definition.uuid) is True


def test_a_vm_that_is_off_does_not_restart(test_driver: Hypervisor) -> None:
    vm = test_driver.define(domain_xml(DomainDefinition("off", str(uuids.uuid4()), "test", 1, 65536)))

    for switch in (power.reset, power.power_cycle, power.ask_to_reboot):
        with pytest.raises(WrongState, match=r"^VM is not running$"):
            switch(test_driver, vm.uuid)
    for force in (True, False):
        with pytest.raises(WrongState, match=r"^VM is not running$"):
            power.restart(test_driver, vm.uuid, timeout=1, force=force)
    assert power.is_off(test_driver, vm.uuid) is True


def test_the_test_drivers_guests_restart_at_once(test_driver: Hypervisor) -> None:
    vm = test_driver.define(domain_xml(DomainDefinition("obedient", str(uuids.uuid4()), "test", 1, 65536)))
    power.start(test_driver, vm.uuid)

    assert power.restart(test_driver, vm.uuid, timeout=1) is True
    assert power.reset(test_driver, vm.uuid) is True
    assert power.restart(test_driver, vm.uuid, timeout=1, force=True) is True
    assert power.is_off(test_driver, vm.uuid) is False
