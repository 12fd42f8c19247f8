# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations that move a VM to another host.

What they do at the destination needs a second connection: see `actions.migrations`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.moving import Move
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.operation import Operation


@dataclass(frozen=True)
class CarryVolume(Operation):
    """Copy the file at ``path`` to the same path of the destination, whole and as it is, where it is volume ``name``.

    With ``flatten`` the copy needs no backing file.
    """

    uuid: str
    path: str
    pool: str  # of the destination
    name: str
    flatten: bool = False


@dataclass(frozen=True)
class MakeTarget(Operation):
    """Make the empty volume of the destination that a disk of the running VM is copied into; ``backing`` is a path."""

    uuid: str
    pool: str
    name: str
    capacity: int
    format: str
    backing: Optional[str] = None


@dataclass(frozen=True)
class NoteMove(Operation):
    """Write into the VM's definition, which goes along, what is to be done when it has arrived."""

    uuid: str
    move: Move


@dataclass(frozen=True)
class MigrateLive(Operation):
    """Move a VM that runs or is paused. Units as in `MigrationWish`; ``copied`` are targets of disks."""

    uuid: str
    paused: bool
    copied: Tuple[str, ...]
    incremental: bool
    peer_uri: Optional[str]
    migrate_uri: Optional[str]
    tunnelled: bool
    unsafe: bool
    bandwidth_mb: Optional[int]
    max_downtime_ms: Optional[int]
    auto_converge: bool
    timeout: float
    on_timeout: str


@dataclass(frozen=True)
class MigrateOffline(Operation):
    """Move the definition of a VM that is off.

    ``copied`` are the paths of its disks that were copied, each with when it was written to last as the plan was made.
    """

    uuid: str
    peer_uri: Optional[str]
    copied: Tuple[Tuple[str, Optional[str]], ...] = ()


@dataclass(frozen=True)
class RemoveRemains(Operation):
    """End and undefine what is left of the VM at the source, where it stands still, when it runs at the destination."""

    uuid: str


@dataclass(frozen=True)
class SetAutostartThere(Operation):
    """Start the VM with the destination, as it did with the source."""

    uuid: str


@dataclass(frozen=True)
class CompleteMove(Operation):
    """Take away what has been noted for the case that the migration is cut off, on the destination."""

    uuid: str
