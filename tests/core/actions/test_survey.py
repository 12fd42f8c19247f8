# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole host read at once: a VM that goes away or can't be read keeps nobody else from being seen."""

import signal
import uuid as uuids
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import survey
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.survey import host_facts, look_at, states
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.write import domain_xml
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostUnreachable
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.roster import RosterRow, roster_row
from ansible_collections.hostler.libvirt.plugins.module_utils.status import SHUTOFF
from lab.errors import LabError
from lab.host import Host
from tests.core.actions.guests import desired, made
from tests.core.actions.standing_still import being_started
from tests.core.test_identity import definition


def test_a_vm_that_has_gone_is_said_to_be_and_keeps_no_other_from_being_seen(test_driver: Hypervisor) -> None:
    here = test_driver.domains()[0].uuid
    gone = str(uuids.uuid4())

    looks = look_at(test_driver, [gone, here])

    assert set(looks.seen) == {here}
    assert looks.gone == {gone}
    assert looks.unreadable == {}


@pytest.mark.parametrize("number", ["²", "9" * 5000, "x"])
def test_a_record_full_of_garbage_keeps_no_vm_from_being_seen(test_driver: Hypervisor, number: str) -> None:
    domain = test_driver.define(domain_xml(definition(None)))
    xml = f"<vm version='1'><uuid>{domain.uuid}</uuid><id>{number}</id><revision>{number}</revision></vm>"
    domain.handle.setMetadata(2, xml, "hostler", "urn:hostler:vm:1", 2)

    looks = look_at(test_driver, [domain.uuid])

    assert looks.unreadable == {}
    assert looks.seen[domain.uuid].record is not None
    domain.undefine()


def test_a_lost_host_is_no_host_without_vms(test_driver: Hypervisor) -> None:
    uuid = test_driver.domains()[0].uuid
    test_driver.close()

    with pytest.raises(HostUnreachable):
        look_at(test_driver, [uuid])
    with pytest.raises(HostUnreachable):
        states(test_driver)


@pytest.mark.lab
def test_a_vm_that_is_started_while_it_is_looked_at_is_waited_for_by_nobody(
    hypervisor: Hypervisor, lab_host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vm = made(hypervisor, desired(lab_host, "surveyed"))
    starting: list[Future[str]] = []

    def told_just_before(domain: Domain) -> RosterRow:
        row = roster_row(domain)
        starting.append(being_started(lab_host, "surveyed", tmp_path))
        return row

    monkeypatch.setattr(survey, "roster_row", told_just_before)
    looking = ThreadPoolExecutor(1).submit(look_at, hypervisor, [vm.uuid])
    try:
        looks = looking.result(25)  # libvirt gives up after 30 s
    finally:
        lab_host.guest_process("surveyed").signal(signal.SIGKILL)

    assert looks.seen[vm.uuid].status == "stopped"
    assert looks.seen[vm.uuid].disk_gb is None
    with pytest.raises(LabError, match="Failed to start"):
        starting[0].result()


@pytest.mark.lab
def test_a_real_host_with_its_vms(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "surveyed"))

    facts = host_facts(hypervisor)
    assert facts.uuid == str(lab_host.layout.uuid)
    assert host_facts(hypervisor, with_uuid=False).uuid is None
    assert {"default", "images"} <= set(facts.pools)
    assert facts.pools["default"].capacity > facts.pools["default"].available > 0
    assert states(hypervisor)[vm.uuid].state == SHUTOFF
    looks = look_at(hypervisor, states(hypervisor))
    assert looks.seen[vm.uuid] == vm
    assert looks.unreadable == {}
