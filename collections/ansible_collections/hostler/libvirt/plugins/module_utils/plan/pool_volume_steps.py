# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations on a volume that is no certain VM's. ``timeout`` is how many seconds each may take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.plan.operation import Operation


@dataclass(frozen=True)
class MakeVolume(Operation):
    """Make it of ``capacity`` bytes: blank, or of the volume ``source`` as ``source_mode`` says.

    Without ``format`` it is what its pool has.
    """

    pool: str
    name: str
    capacity: int
    format: Optional[str]
    preallocation: str
    source_pool: str
    source: Optional[str]
    source_mode: str
    timeout: float


@dataclass(frozen=True)
class ResizeVolume(Operation):
    """Make its virtual size ``capacity`` bytes."""

    pool: str
    name: str
    capacity: int
    before: int
    timeout: float


@dataclass(frozen=True)
class WipeVolume(Operation):
    """Write zeros over all that it holds."""

    pool: str
    name: str
    timeout: float


@dataclass(frozen=True)
class RemoveVolume(Operation):
    """Delete it, unless somebody uses it by now."""

    pool: str
    name: str
    timeout: float
