# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of what is plugged into a VM that is there: disks, cards, display, devices; or all of it, by XML."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.given import given_xml
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import check_types, object_from
from ansible_collections.hostler.libvirt.plugins.module_utils.graphics import GraphicsConfig
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.chassis import require_definition, switched_off
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.desired import Desired
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.devices import (
    DeviceList,
    plan_devices,
    validate_devices,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.existing import all_nics
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.further import Further, Stock, validate_further
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.further_disks import plan_disks
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.further_nics import plan_nics
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.given_xml import plan_xml
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.graphics import plan_graphics, validate_graphics
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan


@dataclass(frozen=True)
class _Shown:
    """What of a spec is about its display, for errors that name it."""

    graphics: Optional[GraphicsConfig] = None


def plan_plugged(
    desired: Desired, stock: Stock, nat_network: Optional[str], now: str, is_active: bool, live: bool
) -> Plan:
    """The steps that do it to the VM as it is, or as it will be once it is off.

    ``nat_network`` and ``now`` are `plan_change`'s. Raises `InvalidSpec`, `WrongState`, `Protected`.
    """
    chassis = stock.chassis if is_active else switched_off(stock.chassis)
    if not is_active:
        require_definition(chassis)
    further = wanted_further(desired)
    graphics = wanted_graphics(desired)
    devices = wanted_devices(desired)
    plan = plan_disks(further, stock, chassis, live).then(plan_nics(further, stock, chassis, live, nat_network))
    if graphics is not None:
        shown = stock.running_displays if is_active else ()
        plan = plan.then(plan_graphics(graphics, chassis, stock.displays, shown))
    if devices is not None:
        plan = plan.then(plan_devices(devices, chassis))
    if desired.xml is not None:
        passwords = [one.password for one in stock.displays]
        plan = plan.then(plan_xml(given_xml(desired.xml), chassis, passwords, now))
    return plan


def wanted_further(desired: Desired) -> Further:
    """Which further disks and cards an existing VM is to have. Raises `InvalidSpec` for what no VM can have."""
    further: Further = object_from(
        Further, {name: desired.spec.get(name) for name in ("disks", "nics")}, "the lists of a VM"
    )
    return validate_further(
        dataclasses.replace(
            further,
            disks_exclusive=desired.disks_exclusive,
            nics_exclusive=desired.nics_exclusive,
            delete_disks=desired.delete_detached_disks,
            all_nics=all_nics(desired),
            first_nic=desired.spec.get("network_config") is not None,
            timeout=desired.timeout,
        )
    )


def wanted_graphics(desired: Desired) -> Optional[GraphicsConfig]:
    """Which display an existing VM is to have, None for that which it has. Raises `InvalidSpec`."""
    values = {"graphics": desired.spec.get("graphics")}
    shown: _Shown = object_from(_Shown, values, "a VM")
    check_types(shown)
    return None if shown.graphics is None else validate_graphics(shown.graphics)


def wanted_devices(desired: Desired) -> Optional[DeviceList]:
    """Which further devices an existing VM is to have, None for those that it has. Raises `InvalidSpec`."""
    if desired.spec.get("devices") is None:
        return None
    wanted: DeviceList = object_from(DeviceList, {"devices": desired.spec["devices"]}, "a VM")
    return validate_devices(dataclasses.replace(wanted, exclusive=desired.devices_exclusive))
