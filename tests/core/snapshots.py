# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of the plain VM of `tests.core.machines`, and that VM as snapshots find it."""

import dataclasses
from typing import Any

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import Disk, DomainDefinition
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_wish import SnapshotSurroundings
from ansible_collections.hostler.libvirt.plugins.module_utils.snapshot import Snapshot, SnapshotDisk
from tests.core.machines import observed

ROOT = Disk("disk", "vda", "virtio", "/disks/web-1.qcow2", "qcow2")
NOW = 1714979289  # 2024-05-06T07:08:09Z
AROUND = SnapshotSurroundings(now=NOW, token="0f1e2d3c", folders={"vda": "/disks", "vdb": "/data"})


def vm(*disks: Disk, **changes: Any) -> ObservedMachine:
    """That VM with these disks (its root disk alone where none is given), off or as ``status`` says.

    What ``definition`` holds is changed in its definition.
    """
    machine = observed()
    definition = dataclasses.replace(machine.definition, disks=disks or (ROOT,), **changes.pop("definition", {}))
    active = changes.get("status", "stopped") in ("running", "paused", "suspended", "stopping")
    state = {"is_active": active, "running": definition if active else None, **changes}
    return dataclasses.replace(machine, definition=definition, **state)


def defined(*disks: Disk, **changes: Any) -> DomainDefinition:
    """That VM's definition."""
    return vm(*disks, definition=changes).definition


def internal(name: str, parent: str | None = None, **changes: Any) -> Snapshot:
    """One inside of the root disk, of when that was ``path``."""
    disk = dataclasses.replace(ROOT, path=changes.pop("path", ROOT.path))
    changes.setdefault("domain", defined(disk))
    return Snapshot(**{
        "name": name, "created": NOW, "libvirt_state": "shutoff", "parent": parent,
        "disks": (SnapshotDisk("vda", "internal"),), **changes,
    })  # fmt: skip


def external(name: str, parent: str | None = None, **changes: Any) -> Snapshot:
    """One beside the root disk, of when that was ``path``; since then the VM writes to ``/disks/<name>``."""
    disks = (SnapshotDisk("vda", "external", f"/disks/{name}"),)
    return internal(name, parent, **{"libvirt_state": "disk-snapshot", "disks": disks, **changes})


def on(path: str) -> Disk:
    """The root disk, which has become that file."""
    return dataclasses.replace(ROOT, path=path)
