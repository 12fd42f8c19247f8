# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan that brings the further disks of a VM that is there to what a list says."""

from __future__ import annotations

from typing import Dict, List, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.drive import Drive
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.sockets import next_target
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    FieldError,
    InvalidSpec,
    Protected,
    fields_within,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.chassis import Chassis, equipped
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.disk import plan_absent, plan_present
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.found_disk import Found, find_disk
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.further import (
    Further,
    Stock,
    as_entry,
    gathered,
    paired_disks,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan, Step
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_disk import WantedDisk
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import DiskConfig


def plan_disks(further: Further, stock: Stock, chassis: Chassis, live: bool) -> Plan:
    """The steps that do it to the VM as it is in ``chassis``, a running one only if that may be done ``live``.

    Raises `InvalidSpec`, `WrongState`, `Protected`, with fields of the list.
    """
    steps: List[Step] = []
    changes: Dict[str, Plan] = {}
    meant, beyond = paired_disks(further, stock.chassis)
    for index, (config, drive) in enumerate(zip(further.disks or (), meant)):
        with fields_within(f"disks.{index}"):
            wanted = _wanted(config, drive, chassis, live)
            if drive is None:
                plan = plan_present(wanted, chassis, Found(None, None), stock.sources[index], None)
            else:
                found = find_disk(wanted, chassis, None)
                _require_image(stock.images.get(index), drive, stock)
                plan = plan_present(wanted, chassis, found, None, stock.sizes.get(drive.target))
        steps += as_entry(plan, "disks", index)
        changes[wanted.target or ""] = plan
        chassis = equipped(chassis, plan.steps)
    if further.disks_exclusive:
        for drive in [*beyond, *_running_only(chassis)]:
            plan = _detached(drive, further, stock, chassis, live)
            steps += as_entry(plan, "disks")
            changes[drive.target] = plan
    return gathered("disks", steps, changes)


def _wanted(config: DiskConfig, drive: Optional[Drive], chassis: Chassis, live: bool) -> WantedDisk:
    # after the others, or it would be another entry's the next time
    target = next_target(chassis.xmls, config.bus) if drive is None else drive.target
    return WantedDisk(target=target, bus=config.bus, size_gb=config.size_gb, live=live)


def _require_image(image: Optional[str], drive: Drive, stock: Stock) -> None:
    """Raise `InvalidSpec` for a disk that is not built on the image that it is to be an overlay of."""
    if image is not None and image not in stock.chains.get(drive.target, ()):
        reason = f"of disk {drive.target} is another, or none that it is an overlay of"
        raise InvalidSpec([FieldError("image", f"{reason}: detach it, and have it made anew")])


def _running_only(chassis: Chassis) -> List[Drive]:
    """Disks that somebody plugged into the running VM and did not write into its definition."""
    known = {drive.target for drive in chassis.defined_drives}
    if chassis.defined_xml is None:
        return []
    return [drive for drive in chassis.running_drives if drive.device == "disk" and drive.target not in known]


def _detached(drive: Drive, further: Further, stock: Stock, chassis: Chassis, live: bool) -> Plan:
    wanted = WantedDisk(state="absent", target=drive.target, live=live, timeout=further.timeout)
    found = find_disk(wanted, chassis, None)
    try:
        owned, held_by = stock.owned.get(drive.target, ()), stock.held.get(drive.target)
        return plan_absent(wanted, chassis, found, owned, held_by)
    except Protected as error:
        raise Protected(error.message, "delete_detached_disks") from error
