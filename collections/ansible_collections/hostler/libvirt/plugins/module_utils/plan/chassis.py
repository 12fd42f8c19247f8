# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM as what devices are plugged into, and when that may be done to it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Iterable, List, Optional, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.drive import Drive, with_drive
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.nic import Nic, with_nic
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.sockets import free_port
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.device_steps import (
    DefineDrive,
    DefineNic,
    PlugDrive,
    PlugNic,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.sizes import TRANSIENT
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Step
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.template import require_no_template

MUST_BE_STOPPED = "VM must be stopped before its devices are changed, unless that may be done live"
SAVED = "VM is saved: start it, then stop it, before its devices are changed"


@dataclass(frozen=True)
class Chassis:
    """A VM whose devices are looked at: as it starts next, and as it runs; None where it does not do that."""

    uuid: str
    name: str
    status: str
    defined_xml: Optional[str]
    running_xml: Optional[str] = None
    record: Optional[Record] = None
    defined_drives: Tuple[Drive, ...] = ()
    running_drives: Tuple[Drive, ...] = ()
    defined_nics: Tuple[Nic, ...] = ()
    running_nics: Tuple[Nic, ...] = ()

    @property
    def is_active(self) -> bool:
        """Whether QEMU runs for it."""
        return self.running_xml is not None

    @property
    def xmls(self) -> List[str]:
        """What it is, the definition first."""
        return [xml for xml in (self.defined_xml, self.running_xml) if xml is not None]

    @property
    def root_target(self) -> Optional[str]:
        """Where its root disk is: the first that is a disk."""
        drives = self.running_drives if self.defined_xml is None else self.defined_drives
        return next((drive.target for drive in drives if drive.device == "disk"), None)


def switched_off(chassis: Chassis) -> Chassis:
    """The same VM once it is off."""
    return dataclasses.replace(chassis, status="stopped", running_xml=None, running_drives=(), running_nics=())


def equipped(chassis: Chassis, steps: Iterable[Step]) -> Chassis:
    """The VM with what ``steps`` plug into it, so that what is plugged in next finds another place."""
    for step in steps:
        operation = step.operation
        if isinstance(operation, DefineDrive) and chassis.defined_xml is not None:
            xml = with_drive(chassis.defined_xml, operation.drive, controller=operation.controller)
            drives = (*chassis.defined_drives, operation.drive)
            chassis = dataclasses.replace(chassis, defined_xml=xml, defined_drives=drives)
        elif isinstance(operation, PlugDrive) and chassis.running_xml is not None:
            port = free_port(chassis.running_xml) if operation.drive.bus == "virtio" else None
            xml = with_drive(chassis.running_xml, operation.drive, port)
            drives = (*chassis.running_drives, operation.drive)
            chassis = dataclasses.replace(chassis, running_xml=xml, running_drives=drives)
        elif isinstance(operation, DefineNic) and chassis.defined_xml is not None:
            xml = with_nic(chassis.defined_xml, operation.nic)
            nics = (*chassis.defined_nics, operation.nic)
            chassis = dataclasses.replace(chassis, defined_xml=xml, defined_nics=nics)
        elif isinstance(operation, PlugNic) and chassis.running_xml is not None:
            xml = with_nic(chassis.running_xml, operation.nic, free_port(chassis.running_xml))
            nics = (*chassis.running_nics, operation.nic)
            chassis = dataclasses.replace(chassis, running_xml=xml, running_nics=nics)
    return chassis


def require_changeable(chassis: Chassis, live: bool) -> None:
    """Raise `WrongState` for a VM whose devices can't be changed now; a running one has to be allowed to, ``live``."""
    if chassis.record is not None and chassis.record.incomplete:
        raise WrongState(f"VM '{chassis.name}' is being created, or its creation was cut off")
    require_no_template(chassis.record, chassis.name, "get other devices")
    if chassis.status == "saved":  # it would go on with the devices it had, or not at all
        raise WrongState(SAVED)
    if chassis.is_active and not live:
        raise WrongState(MUST_BE_STOPPED)


def require_definition(chassis: Chassis) -> None:
    """Raise `WrongState` for one that is gone when it is off."""
    if chassis.defined_xml is None:
        raise WrongState(TRANSIENT)
