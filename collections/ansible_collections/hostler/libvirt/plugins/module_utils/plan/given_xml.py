# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan that has a VM be what XML of a user's says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import List, Optional, Sequence

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.given import (
    GivenXml,
    adopted,
    definition_fingerprint,
    without_record,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.moving import read_move
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.secrets import without_secrets
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.chassis import (
    Chassis,
    require_changeable,
    require_definition,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.machine_steps import SetAutostart
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.operation import Operation
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power_steps import StartDomain
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Applies, Plan, Step


@dataclass(frozen=True)
class DefineXml(Operation):
    """Define the VM from ``xml``, which has that fingerprint; ``record`` is that of a VM that has none yet."""

    uuid: str
    xml: str = field(repr=False)
    fingerprint: str
    record: Record


def plan_new_xml(
    given: GivenXml, record: Record, autostart: bool = False, start: bool = False, paused: bool = False
) -> Plan:
    """The steps that make a VM of it, with ``record.uuid`` as its UUID, and start it."""
    xml = adopted(given, record.uuid, None)
    define = DefineXml(record.uuid, xml, given.fingerprint, record)
    steps: List[Step] = [Step(f"Define VM '{given.name}' from XML", define, Applies.NOW, ("xml",))]
    if autostart:
        steps.append(Step("Start the VM with its host", SetAutostart(record.uuid, True)))
    if start:
        title = f"Start VM '{given.name}', paused" if paused else f"Start VM '{given.name}'"
        steps.append(Step(title, StartDomain(record.uuid, paused)))
    state = "stopped" if not start else "paused" if paused else "running"
    return Plan(tuple(steps), {}, {"name": given.name, "xml": without_secrets(given.xml), "state": state})


def plan_xml(given: GivenXml, chassis: Chassis, passwords: Sequence[Optional[str]], now: str) -> Plan:
    """The step that brings a VM that is there to what it says; none where the VM is what it made it.

    ``passwords`` are those of the VM's displays as they are defined. Its UUID, its record, and the addresses of cards
    that the XML says nothing of stay. Raises `WrongState`.
    """
    require_definition(chassis)
    defined = chassis.defined_xml or ""
    record = chassis.record or Record(uuid=chassis.uuid, created=now, revision=0)
    known = (record.xml_given, record.xml_defined, tuple(passwords))
    if known == (given.fingerprint, definition_fingerprint(defined), given.passwords):
        return Plan()
    require_changeable(chassis, live=True)  # what runs goes on as it is
    if read_move(defined) is not None:  # which would be lost
        raise WrongState(f"VM '{chassis.name}' has a migration that has not ended: run that again first", "xml")
    xml = adopted(given, chassis.uuid, None, [nic.mac_address for nic in chassis.defined_nics])
    applies = Applies.NEXT_BOOT if chassis.is_active else Applies.NOW
    step = Step("Define the VM from XML", DefineXml(chassis.uuid, xml, given.fingerprint, record), applies, ("xml",))
    before = without_secrets(without_record(defined))
    return Plan((step,), {"xml": before}, {"xml": without_secrets(without_record(xml))})
