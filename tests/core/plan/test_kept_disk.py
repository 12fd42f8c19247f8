# SPDX-License-Identifier: GPL-3.0-or-later
"""What a VM's record says of disks that were there before the VM had them."""

import dataclasses

from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.chassis import Chassis
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.kept_disk import keep, let_go
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.machine_steps import WriteRecord
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Step
from tests.core.machines import RECORD, UUID

OURS = Chassis(UUID, "web-1", "stopped", "<domain/>", record=RECORD)
NOW = "2026-01-02T03:04:05Z"


def written(steps: list[Step]) -> Record:
    (step,) = steps
    assert isinstance(step.operation, WriteRecord)
    return step.operation.record


def test_a_disk_that_was_there_before_is_noted_once_and_forgotten_when_it_goes() -> None:
    noted = written(keep(OURS, "/d/archive.raw", NOW))
    assert noted == dataclasses.replace(RECORD, kept=("/d/archive.raw",), revision=RECORD.revision + 1)
    having = dataclasses.replace(OURS, record=noted)

    assert keep(having, "/d/archive.raw", NOW) == []
    assert let_go(having, "/d/other.raw") == []
    assert let_go(OURS, "/d/archive.raw") == []
    assert written(let_go(having, "/d/archive.raw")).kept == ()


def test_a_disk_that_was_made_for_this_vm_stays_its_own() -> None:
    assert keep(OURS, f"/d/older-name-{UUID[:8]}-disk1.qcow2", NOW) == []


def test_a_vm_of_others_gets_a_record_for_it_and_a_transient_one_none() -> None:
    assert written(keep(dataclasses.replace(OURS, record=None), "/d/a.raw", NOW)) == Record(
        UUID, NOW, kept=("/d/a.raw",), revision=1
    )
    assert keep(dataclasses.replace(OURS, defined_xml=None), "/d/a.raw", NOW) == []
