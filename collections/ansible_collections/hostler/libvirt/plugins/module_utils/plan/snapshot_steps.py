# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations on a VM's snapshots."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.hostler.libvirt.plugins.module_utils.plan.operation import Operation
from ansible_collections.hostler.libvirt.plugins.module_utils.snapshot import Snapshot


@dataclass(frozen=True)
class TakeSnapshot(Operation):
    """Take ``snapshot``, which says what is kept and in which new files; ``timeout`` in seconds."""

    uuid: str
    snapshot: Snapshot
    quiesce: bool
    timeout: float


@dataclass(frozen=True)
class RevertSnapshot(Operation):
    """Bring the VM back to a snapshot; what it says of itself stays. ``power``: running, paused or as-taken."""

    uuid: str
    name: str
    power: str
    timeout: float


@dataclass(frozen=True)
class RemoveSnapshot(Operation):
    """Remove one snapshot and the file with its memory; its disks' content goes to those that came after it."""

    uuid: str
    name: str
    timeout: float
