# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations on the disks and CD-ROM drives of a VM that is there."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Dict, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.doers import Doers, Undo
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.hardware import redefine
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.hotplug import (
    address_of_other_side,
    answered,
    change,
    plug,
    unplug,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.document import serialize
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.drive import (
    Drive,
    drive_address,
    drive_element,
    drive_xml,
    read_drives,
    with_drive,
    with_medium,
    with_medium_at,
    with_settings,
    without_drive,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    GuestTimeout,
    HostlerError,
    OperationFailed,
    Unsupported,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.device_steps import (
    ChangeMedium,
    DefineDrive,
    DefineMedium,
    LimitDrive,
    PlugDrive,
    SetDrive,
    UndefineDrive,
    UnplugDrive,
)


def plug_drive(hypervisor: Hypervisor, operation: PlugDrive) -> Optional[Undo]:
    """Plug it into the running VM; at the address that its definition has for it, if it has."""
    domain = hypervisor.domain(operation.uuid)
    drive = operation.drive
    element = serialize(
        drive_element(drive, address_of_other_side(domain, partial(drive_address, target=drive.target), inactive=True))
    )
    find = partial(drive_xml, target=drive.target)
    return plug(hypervisor, domain, element, find, f"{drive.device} {drive.target}")


def define_drive(hypervisor: Hypervisor, operation: DefineDrive) -> Optional[Undo]:
    """Write it into the definition; at the address at which the running VM has it, so that the guest finds it again."""
    domain = hypervisor.domain(operation.uuid)
    drive = operation.drive
    before = domain.xml(inactive=True)
    if drive_at(before, drive.target) is not None:
        return None
    address = address_of_other_side(domain, partial(drive_address, target=drive.target), inactive=False)

    def is_done(xml: str) -> bool:
        now = drive_at(xml, drive.target)
        return now is not None and (now.path, now.format, now.bus) == (drive.path, drive.format, drive.bus)

    failure = f"Failed to define {drive.device} {drive.target}: libvirt made another of it"
    return redefine(
        hypervisor, domain, lambda xml: with_drive(xml, drive, address, operation.controller), is_done, failure
    )


def unplug_drive(hypervisor: Hypervisor, operation: UnplugDrive) -> Optional[Undo]:
    """Have the guest let go of it."""
    find = partial(drive_xml, target=operation.target)
    domain = hypervisor.domain(operation.uuid)
    drive = drive_at(domain.xml(), operation.target)
    if drive is None:
        return None
    return unplug(hypervisor, domain, find, f"{drive.device} {drive.target}", operation.timeout)


def undefine_drive(hypervisor: Hypervisor, operation: UndefineDrive) -> Optional[Undo]:
    """Take it out of the definition."""
    domain = hypervisor.domain(operation.uuid)
    target = operation.target
    if drive_at(domain.xml(inactive=True), target) is None:
        return None
    failure = f"Failed to take drive {target} out of the definition"
    return redefine(
        hypervisor, domain, lambda xml: without_drive(xml, target), lambda xml: drive_at(xml, target) is None, failure
    )


def set_drive(hypervisor: Hypervisor, operation: SetDrive) -> Optional[Undo]:
    """Write other settings of it into the definition."""
    domain = hypervisor.domain(operation.uuid)
    wanted, names = operation.drive, operation.names

    def is_done(xml: str) -> bool:
        now = drive_at(xml, wanted.target)
        return now is not None and all(getattr(now, name) == getattr(wanted, name) for name in names)

    if is_done(domain.xml(inactive=True)):
        return None
    failure = f"Failed to change disk {wanted.target}: libvirt made something else of it"
    return redefine(hypervisor, domain, lambda xml: with_settings(xml, wanted, names), is_done, failure)


def limit_drive(hypervisor: Hypervisor, operation: LimitDrive) -> Optional[Undo]:
    """Limit what the running VM may read and write."""
    domain = hypervisor.domain(operation.uuid)
    present = drive_at(domain.xml(), operation.target) if domain.is_active() else None
    if present is None or present.limits == operation.limits:
        return None
    _limit(hypervisor, domain, operation.target, dataclasses.asdict(operation.limits))
    return partial(_limit, hypervisor, domain, operation.target, dataclasses.asdict(present.limits))


def change_medium(hypervisor: Hypervisor, operation: ChangeMedium) -> Optional[Undo]:
    """Open the running VM's tray, and put another medium in or none."""
    domain = hypervisor.domain(operation.uuid)
    target = operation.target
    present = drive_at(domain.xml(), target) if domain.is_active() else None
    if present is not None and present.path == operation.path:
        return None
    find = partial(drive_xml, target=target)
    element = with_medium(find(domain.xml(secure=True)) or "<disk/>", operation.path, operation.is_block, "raw")
    try:
        undo = change(hypervisor, domain, find, element, f"the medium of {target}", operation.force)
    except OperationFailed as error:
        raise _of_the_tray(target, error) from error
    now = drive_at(domain.xml(), target)
    if now is None or now.path != operation.path:
        raise OperationFailed(f"Failed to change the medium of {target}: it holds what it held")
    return undo


def define_medium(hypervisor: Hypervisor, operation: DefineMedium) -> Optional[Undo]:
    """Write another medium, or none, into the definition."""
    domain = hypervisor.domain(operation.uuid)
    target, path = operation.target, operation.path

    def is_done(xml: str) -> bool:
        now = drive_at(xml, target)
        return now is not None and now.path == path

    if is_done(domain.xml(inactive=True)):
        return None
    failure = f"Failed to define the medium of {target}: libvirt made something else of it"
    return redefine(
        hypervisor, domain, lambda xml: with_medium_at(xml, target, path, operation.is_block, "raw"), is_done, failure
    )


def _of_the_tray(target: str, error: OperationFailed) -> HostlerError:
    """What libvirt, which has no codes for trays, says by its words."""
    if "to open tray" in error.message:
        return GuestTimeout(
            f"The guest has locked the tray of {target}: unmount what is in it there, or force it open", "force"
        )
    if "is not open" in error.message:  # libvirt 9 does not know that what it plugged in has a tray
        return Unsupported(
            f"This libvirt can't open the tray of {target}, which was plugged in while the VM ran: state absent takes"
            " the drive away with what is in it"
        )
    return error


def drive_at(xml: str, target: str) -> Optional[Drive]:
    """The drive at ``target``, None where the domain ``xml`` has none."""
    return next((drive for drive in read_drives(xml) if drive.target == target), None)


def _limit(hypervisor: Hypervisor, domain: Domain, target: str, limits: Dict[str, int]) -> None:
    answered(hypervisor, domain.uuid, lambda other: other.limit_disk_live(target, limits))


DOERS: Doers = {
    PlugDrive: plug_drive,
    DefineDrive: define_drive,
    UnplugDrive: unplug_drive,
    UndefineDrive: undefine_drive,
    SetDrive: set_drive,
    LimitDrive: limit_drive,
    ChangeMedium: change_medium,
    DefineMedium: define_medium,
}
"""What `perform` does for each operation on them."""
