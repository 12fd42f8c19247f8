# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan that brings the devices of a VM that is there to what a list says.

A running VM gets them at its next boot.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.device import DeviceConfig, device_errors
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.device import read_devices
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import check_types, field_errors, value_errors
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.chassis import (
    Chassis,
    require_changeable,
    require_definition,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.operation import Operation
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Applies, Plan, Step
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import MachineSpec, facts_of


@dataclass(frozen=True)
class DefineDevice(Operation):
    """Have the definition have that device, in place of one with its key."""

    uuid: str
    device: DeviceConfig


@dataclass(frozen=True)
class UndefineDevice(Operation):
    """Take the device of that key out of the definition."""

    uuid: str
    key: str


@dataclass(frozen=True)
class DeviceList:
    """Which devices a VM is to have; ``exclusive``: of the types that can be listed it shall have no other."""

    devices: Tuple[DeviceConfig, ...] = ()
    exclusive: bool = False


def validate_devices(wanted: DeviceList) -> DeviceList:
    """``wanted`` if it can be; raises `InvalidSpec` with every field that can't."""
    check_types(wanted)
    errors: List[FieldError] = list(value_errors("devices", wanted.devices, facts_of(MachineSpec, "devices")))
    for index, one in enumerate(wanted.devices):
        errors += field_errors(one, f"devices.{index}.")
    if not errors:
        errors += device_errors(wanted.devices)
    if errors:
        raise InvalidSpec(errors)
    return wanted


def plan_devices(wanted: DeviceList, chassis: Chassis) -> Plan:
    """The steps that do it. Raises `WrongState`."""
    if chassis.defined_xml is None:
        if wanted.devices or wanted.exclusive:
            require_definition(chassis)
        return Plan()
    present = {one.key: one for one in read_devices(chassis.defined_xml)}
    applies = Applies.NEXT_BOOT if chassis.is_active else Applies.NOW
    steps: List[Step] = []
    before: Dict[str, Any] = {}
    after: Dict[str, Any] = {}
    for one in wanted.devices:
        there = present.pop(one.key, None)
        if there is not None and not _differs(one, there):
            continue
        title = f"Write device {one.key} into the definition" if there is None else f"Change device {one.key}"
        steps.append(Step(title, DefineDevice(chassis.uuid, one), applies, ("devices",)))
        before[one.key], after[one.key] = _as_data(there), {**(_as_data(there) or {}), **(_as_data(one) or {})}
    for key, gone in present.items() if wanted.exclusive else ():
        title = f"Take device {key} out of the definition"
        steps.append(Step(title, UndefineDevice(chassis.uuid, key), applies, ("devices",)))
        before[key], after[key] = _as_data(gone), None
    if not steps:
        return Plan()
    require_changeable(chassis, live=True)  # what can't be done now waits
    return Plan(tuple(steps), {"devices": before}, {"devices": after})


def _differs(wanted: DeviceConfig, present: DeviceConfig) -> bool:
    """Whether what the key does not say is another."""
    names = ("source", "model", "action")
    return any(getattr(wanted, name) not in (None, getattr(present, name)) for name in names)


def _as_data(device: Optional[DeviceConfig]) -> Optional[Dict[str, Any]]:
    if device is None:
        return None
    return {name: value for name, value in dataclasses.asdict(device).items() if value is not None}
