# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations on the devices of a VM that is there.

Each is of one side only: of the running VM, or of its definition, that is, of how it starts next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.drive import Drive, Limits
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.nic import Nic
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.operation import Operation


@dataclass(frozen=True)
class PlugDrive(Operation):
    """Plug a disk or CD-ROM drive into the running VM."""

    uuid: str
    drive: Drive


@dataclass(frozen=True)
class DefineDrive(Operation):
    """Write a disk or CD-ROM drive into the definition, and before it the SCSI controller of that index, if need be."""

    uuid: str
    drive: Drive
    controller: Optional[int] = None


@dataclass(frozen=True)
class UnplugDrive(Operation):
    """Have the running VM's guest let go of the drive at ``target``, within ``timeout`` seconds."""

    uuid: str
    target: str
    timeout: float


@dataclass(frozen=True)
class UndefineDrive(Operation):
    """Take the drive at ``target`` out of the definition."""

    uuid: str
    target: str


@dataclass(frozen=True)
class SetDrive(Operation):
    """Give the definition's drive at the target of ``drive`` the settings ``names`` of it."""

    uuid: str
    drive: Drive
    names: Tuple[str, ...]


@dataclass(frozen=True)
class LimitDrive(Operation):
    """Give the running VM's disk at ``target`` other I/O limits."""

    uuid: str
    target: str
    limits: Limits


@dataclass(frozen=True)
class ChangeMedium(Operation):
    """Have the running VM's drive at ``target`` hold what is at ``path``, a block device or a file, or None: nothing.

    With ``force`` also if the guest has locked its tray.
    """

    uuid: str
    target: str
    path: Optional[str]
    is_block: bool = False
    force: bool = False


@dataclass(frozen=True)
class DefineMedium(Operation):
    """Have the definition's drive at ``target`` hold what is at ``path``, or nothing."""

    uuid: str
    target: str
    path: Optional[str]
    is_block: bool = False


@dataclass(frozen=True)
class PlugNic(Operation):
    """Plug a network card into the running VM."""

    uuid: str
    nic: Nic


@dataclass(frozen=True)
class DefineNic(Operation):
    """Write a network card into the definition."""

    uuid: str
    nic: Nic


@dataclass(frozen=True)
class UnplugNic(Operation):
    """Have the running VM's guest let go of the card of that address, within ``timeout`` seconds."""

    uuid: str
    mac_address: str
    timeout: float


@dataclass(frozen=True)
class UndefineNic(Operation):
    """Take the card of that address out of the definition."""

    uuid: str
    mac_address: str


@dataclass(frozen=True)
class ChangeNic(Operation):
    """Give the running VM's card of the address of ``nic`` the settings ``names`` of it."""

    uuid: str
    nic: Nic
    names: Tuple[str, ...]


@dataclass(frozen=True)
class SetNic(Operation):
    """Give the definition's card of the address of ``nic`` the settings ``names`` of it."""

    uuid: str
    nic: Nic
    names: Tuple[str, ...]
