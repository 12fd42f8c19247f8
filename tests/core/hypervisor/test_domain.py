# SPDX-License-Identifier: GPL-3.0-or-later
"""Single calls on a domain, on a real host where the test driver can't serve."""

import dataclasses
import uuid as uuids

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import (
    Disk,
    DomainDefinition,
    Graphics,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.write import domain_xml
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import MachineNotFound, OperationFailed, WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record


def shell(kind: str) -> DomainDefinition:
    machine = "q35" if kind == "qemu" else None
    return DomainDefinition("calls", str(uuids.uuid4()), kind, 1, 64 * 1024, machine=machine)


@pytest.fixture
def domain(hypervisor: Hypervisor) -> Domain:
    """A VM of the lab without disks: it starts in no time and does nothing."""
    return hypervisor.define(domain_xml(shell("qemu")))


@pytest.mark.lab
def test_power_is_switched_once(domain: Domain) -> None:
    assert (domain.state(), domain.is_active(), domain.is_persistent()) == (5, False, True)
    with pytest.raises(WrongState):
        domain.shutdown()
    with pytest.raises(WrongState):
        domain.destroy()

    domain.start()

    assert domain.state() == 1
    with pytest.raises(WrongState):
        domain.start()
    domain.destroy()
    assert not domain.is_active()


@pytest.mark.lab
def test_a_record_is_read_as_it_was_written_and_none_is_no_error(domain: Domain) -> None:
    record = Record(domain.uuid, "2024-05-06T07:08:09Z", tags=("a",), incomplete=True)
    assert domain.record() is None
    domain.set_record(record)
    assert domain.record() == record
    domain.set_record(dataclasses.replace(record, uuid=str(uuids.uuid4())))
    assert domain.record() is None  # it is another's


@pytest.mark.lab
def test_the_record_of_a_transient_domain_is_written_and_taken_out(domain: Domain) -> None:
    record = Record(domain.uuid, "2024-05-06T07:08:09Z", tags=("a",))
    domain.start()
    domain.undefine()
    assert not domain.is_persistent()

    domain.set_record(record)
    assert domain.record() == record

    domain.set_record(None)
    assert domain.record() is None
    domain.destroy()


@pytest.mark.lab
def test_an_undefine_takes_along_what_libvirt_keeps(domain: Domain, hypervisor: Hypervisor) -> None:
    domain.start()
    domain.handle.managedSave()
    assert domain.has_managed_save()

    domain.undefine()

    assert hypervisor.find_domain(domain.uuid) is None
    with pytest.raises(MachineNotFound):
        domain.state()


def test_an_undefine_works_with_a_driver_that_knows_fewer_flags(test_driver: Hypervisor) -> None:
    domain = test_driver.define(domain_xml(dataclasses.replace(shell("test"), name="few-flags")))

    domain.undefine()

    assert test_driver.find_domain(domain.uuid) is None


@pytest.mark.lab
def test_passwords_are_only_in_the_xml_that_is_to_be_written_back(hypervisor: Hypervisor) -> None:
    xml = domain_xml(dataclasses.replace(shell("qemu"), graphics=(Graphics("vnc", listen="127.0.0.1"),)))
    domain = hypervisor.define(xml.replace('type="vnc"', 'type="vnc" passwd="s3cret"'))

    assert "s3cret" not in domain.xml(inactive=True)
    assert "s3cret" in domain.xml(inactive=True, secure=True)


@pytest.mark.lab
def test_a_disk_whose_file_is_missing_has_no_size(hypervisor: Hypervisor) -> None:
    definition = dataclasses.replace(shell("qemu"), disks=(Disk("disk", "vda", "virtio", "/nowhere.qcow2", "qcow2"),))
    domain = hypervisor.define(domain_xml(definition))

    assert domain.disk_size("vda") is None
    assert domain.disk_size("vdz") is None
    with pytest.raises(OperationFailed, match=r"nowhere\.qcow2"):
        domain.start()


@pytest.mark.lab
def test_autostart_is_switched(domain: Domain) -> None:
    assert not domain.autostart()
    domain.set_autostart(True)
    assert domain.autostart()
    domain.set_autostart(False)
    assert not domain.autostart()


@pytest.mark.lab
def test_a_transient_domain_starts_not_with_its_host_and_is_gone_with_its_power(hypervisor: Hypervisor) -> None:
    domain = hypervisor.create_transient(domain_xml(shell("qemu")))

    assert (domain.is_active(), domain.is_persistent(), domain.autostart()) == (True, False, False)
    domain.destroy()
    assert hypervisor.find_domain(domain.uuid) is None


@pytest.mark.lab
def test_nobody_knows_an_address_of_a_domain_that_is_off(domain: Domain) -> None:
    for source in ("agent", "lease", "arp"):
        assert domain.addresses(source) == []
