# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations on a storage pool. ``timeout`` is how many seconds each may take."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.plan.operation import Operation


@dataclass(frozen=True)
class DefinePool(Operation):
    """Define it by ``xml``; ``before`` is the XML that it had, None of a new one."""

    name: str
    xml: str = field(repr=False)
    before: Optional[str] = field(repr=False)
    timeout: float
    checked: bool = False  # whether libvirt is to check the XML against its schema


@dataclass(frozen=True)
class BuildPool(Operation):
    """Make what it lies in. ``mode``: folder, new (nothing that is there is harmed) or overwrite."""

    name: str
    mode: str
    what: str  # is made, for people
    timeout: float


@dataclass(frozen=True)
class StartPool(Operation):
    """Have its volumes be reached."""

    name: str
    timeout: float


@dataclass(frozen=True)
class StopPool(Operation):
    """Have its volumes no longer be reached; they stay."""

    name: str
    timeout: float


@dataclass(frozen=True)
class SetPoolAutostart(Operation):
    """Have it start with the host, or not."""

    name: str
    autostart: bool
    timeout: float


@dataclass(frozen=True)
class DeletePoolVolumes(Operation):
    """Delete those volumes, by their paths, unless somebody uses one by now."""

    name: str
    paths: Tuple[str, ...]
    timeout: float


@dataclass(frozen=True)
class DeletePool(Operation):
    """Take away what it lay in, which is empty by now."""

    name: str
    timeout: float


@dataclass(frozen=True)
class UndefinePool(Operation):
    """Have libvirt know it no longer."""

    name: str
    timeout: float
