# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations that make a VM of another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.plan.operation import Operation


@dataclass(frozen=True)
class DefineClone(Operation):
    """Define the new domain; ``xml`` may hold passwords. It comes first: then the host knows what is being made."""

    name: str
    uuid: str
    xml: str = field(repr=False)


@dataclass(frozen=True)
class CloneDisk(Operation):
    """Make the volume ``name`` of the one at ``path``: a copy, or, ``linked``, an overlay of it. ``capacity`` in bytes.

    It is of disk ``target`` of the VM with ``source_uuid``: as it was at its ``snapshot``, or, where that is empty, as
    it is while the VM is off. ``modified`` is when it was written to last as the plan was made.
    """

    pool: str
    name: str
    format: str
    capacity: int
    path: str
    linked: bool
    source_uuid: str
    target: str
    snapshot: str = ""
    modified: Optional[str] = None
