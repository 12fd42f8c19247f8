# SPDX-License-Identifier: GPL-3.0-or-later
"""The domains of a host by the group: all of them, or some."""

import uuid

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.write import domain_xml
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.roster import RosterRow
from tests.core.test_identity import definition


def told(row: RosterRow) -> tuple[object, ...]:
    return (row.domain.uuid, *row[1:])


def test_some_domains_are_told_as_they_are_among_all(test_driver: Hypervisor) -> None:
    off = test_driver.define(domain_xml(definition(None)))
    off.set_autostart(True)
    whole = {row.domain.uuid: told(row) for row in test_driver.roster()}

    some = [told(row) for row in test_driver.roster({off.uuid})]

    assert some == [whole[off.uuid]]
    assert len(whole) == 2


def test_one_that_is_not_there_keeps_nobody_else_from_being_told(test_driver: Hypervisor) -> None:
    (here,) = test_driver.domains()

    assert [row.domain.uuid for row in test_driver.roster({here.uuid, str(uuid.uuid4())})] == [here.uuid]
    assert test_driver.roster({str(uuid.uuid4())}) == []
