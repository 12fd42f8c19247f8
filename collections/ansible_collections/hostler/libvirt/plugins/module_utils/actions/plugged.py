# SPDX-License-Identifier: GPL-3.0-or-later
"""What is plugged into a VM, or all of it by XML: looked at, and planned."""

from __future__ import annotations

import dataclasses
import uuid as uuids
from functools import partial
from typing import Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import (
    devices,
    drives,
    graphics,
    machine_doers,
    nics,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.actions import given_xml as from_xml
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.doers import Doers
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.further import require_further, take_stock
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.given import given_xml
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.metadata import entries_of
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.change import validate_change
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.desired import STARTING, Desired
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.existing import plan_existing, wanted_change
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.given_xml import plan_new_xml
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.plugged import (
    plan_plugged,
    wanted_devices,
    wanted_further,
    wanted_graphics,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan

DOERS: Doers = {
    **machine_doers.DOERS,
    **drives.DOERS,
    **nics.DOERS,
    **graphics.DOERS,
    **devices.DOERS,
    **from_xml.DOERS,
}
"""What does the operations on a VM as a whole, and on all that is plugged into it."""


def plan_for(
    hypervisor: Hypervisor, desired: Desired, observed: ObservedMachine, nat_network: Optional[str], now: str
) -> Plan:
    """Look at the VM and its host, and plan all that is desired of it; ``nat_network`` and ``now`` are `plan_change`'s.

    Raises what the plan does, and what can't be on this host.
    """
    further, display = wanted_further(desired), wanted_graphics(desired)
    wanted_devices(desired)
    if desired.xml is not None:
        hypervisor.require_readable(given_xml(desired.xml).xml)
    if display is not None:
        graphics.require_displayable(hypervisor, observed, display)
    stock = take_stock(hypervisor, observed, further, desired.placement)
    if display is not None or desired.xml is not None:
        defined, running = graphics.displays(hypervisor, observed.uuid)
        stock = dataclasses.replace(stock, displays=defined, running_displays=running)
    plan = plan_existing(desired, observed, nat_network, now, partial(plan_plugged, desired, stock, nat_network, now))
    require_further(hypervisor, plan, further, desired.placement)
    return plan


def plan_for_new(hypervisor: Hypervisor, desired: Desired, now: str) -> Plan:
    """The plan of a VM that its XML makes. Raises `InvalidSpec`."""
    given = given_xml(desired.xml or "")
    told = validate_change(wanted_change(desired))
    record = Record(
        uuid=desired.uuid or str(uuids.uuid4()),
        created=now,
        id=desired.record_id,
        owner=desired.owner,
        os_type=told.os_type or None,
        os_version=told.os_version or None,
        description=told.description or None,
        tags=told.tags or (),
        metadata=entries_of(told.metadata or {}),
        protected=bool(told.protected),
        template=bool(desired.template),
    )
    hypervisor.require_readable(given.xml)
    paused = desired.state == "paused"
    return plan_new_xml(given, record, bool(told.autostart), desired.state in STARTING, paused)
