# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot of a VM, and a VM's snapshots among each other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import Disk, DomainDefinition

# libvirt's word for what the VM was, https://libvirt.org/formatsnapshot.html; one without memory that was taken while
# QEMU ran is a disk-snapshot
_STATES = {
    "running": "running",
    "blocked": "running",
    "disk-snapshot": "running",
    "paused": "paused",
    "pmsuspended": "suspended",
    "shutdown": "stopping",
    "shutoff": "stopped",
    "crashed": "crashed",
}


@dataclass(frozen=True)
class SnapshotDisk:
    """One disk of the VM: ``kind`` is internal, external, or no for one that was left out."""

    target: str
    kind: str
    overlay: Optional[str] = None  # of an external one: the file that the VM writes to since


@dataclass(frozen=True)
class Snapshot:
    """What libvirt keeps of a snapshot. ``created`` is in seconds since 1970, UTC; libvirt knows no finer time."""

    name: str
    created: int
    libvirt_state: str  # running, shutoff, disk-snapshot …
    parent: Optional[str] = None
    description: Optional[str] = None
    memory: str = "no"  # internal, external
    memory_file: Optional[str] = None
    disks: Tuple[SnapshotDisk, ...] = ()
    domain: Optional[DomainDefinition] = None  # as it was defined then; None of one whose definition is not kept
    series: Optional[str] = None  # in which we took it
    current: bool = False

    @property
    def state(self) -> str:
        """Our word for what the VM was."""
        return _STATES.get(self.libvirt_state, "unknown")

    @property
    def has_memory(self) -> bool:
        """Whether the guest's memory is in it."""
        return self.memory != "no"

    @property
    def is_external(self) -> bool:
        """Whether it is beside the disks, in files of its own, rather than inside them."""
        return self.memory == "external" or any(disk.kind == "external" for disk in self.disks)

    @property
    def overlays(self) -> Tuple[str, ...]:
        """The files that the VM writes to since."""
        return tuple(disk.overlay for disk in self.disks if disk.overlay is not None)

    @property
    def files(self) -> Tuple[str, ...]:
        """All files that there are because of it."""
        return self.overlays if self.memory_file is None else (*self.overlays, self.memory_file)

    @property
    def frozen_disks(self) -> Tuple[Disk, ...]:
        """The disks of which it keeps the content, as they were defined then."""
        kept = {disk.target for disk in self.disks if disk.kind != "no"}
        return () if self.domain is None else tuple(disk for disk in self.domain.disks if disk.target in kept)

    def as_data(self, children: Sequence[str] = (), sizes: Optional[Mapping[str, int]] = None) -> Dict[str, Any]:
        """Plain data; ``sizes`` are what its files take on the host, in bytes, by their path, as far as known."""
        known = [] if sizes is None else [sizes[path] for path in self.files if path in sizes]
        return {
            "name": self.name,
            "parent": self.parent,
            "children": list(children),
            "current": self.current,
            "created": utc(self.created),
            "state": self.state,
            "memory": self.has_memory,
            "external": self.is_external,
            "description": self.description,
            "series": self.series,
            "disks": [{"target": disk.target, "kind": disk.kind, "overlay": disk.overlay} for disk in self.disks],
            "memory_file": self.memory_file,
            "size": sum(known) if known and len(known) == len(self.files) else None,
        }


def utc(seconds: int) -> str:
    """That time in ISO 8601, ending in Z."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def in_order(snapshots: Sequence[Snapshot]) -> List[Snapshot]:
    """From the first that was taken to the last; of the same second, each after its parent."""
    parents = {one.name: one.parent for one in snapshots}

    def generation(name: str) -> int:
        seen = 0
        parent = parents.get(name)
        while parent is not None and seen < len(parents):
            seen += 1
            parent = parents.get(parent)
        return seen

    return sorted(snapshots, key=lambda one: (one.created, generation(one.name), one.name))


def children_of(snapshots: Sequence[Snapshot], name: str) -> List[str]:
    """The names of those that came directly after that one."""
    return [one.name for one in in_order(snapshots) if one.parent == name]


def with_descendants(snapshots: Sequence[Snapshot], name: str) -> List[Snapshot]:
    """That one and all that came after it, each before its parent: an order in which they can be removed."""
    found = {one.name: one for one in snapshots}
    order: List[str] = [name] if name in found else []
    for one in order:  # grows while it is gone through
        order += [child for child in children_of(snapshots, one) if child not in order]
    return [found[one] for one in reversed(order)]
