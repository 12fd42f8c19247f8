# SPDX-License-Identifier: GPL-3.0-or-later
"""The snapshots of one libvirt domain."""

from __future__ import annotations

from typing import Any, List, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.snapshot import (
    SERIES_NAMESPACE,
    SERIES_PREFIX,
    read_snapshot,
    snapshot_xml,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import SnapshotNotFound
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.failure import translated
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import libvirt
from ansible_collections.hostler.libvirt.plugins.module_utils.snapshot import Snapshot, in_order


class Snapshots:
    """The snapshots of ``domain``, and what is done for their sake to the domain."""

    def __init__(self, domain: Domain) -> None:
        self._handle = domain.handle

    def all(self) -> List[Snapshot]:
        """All of them in the order in which they were taken: a call for each, and two."""
        with translated("read the VM's snapshots"):
            handles = self._handle.listAllSnapshots(0)
            current = self._current()
        found = (self._read(handle, current) for handle in handles)
        return in_order([one for one in found if one is not None])

    def find(self, name: str) -> Optional[Snapshot]:
        """The one of that name, None where there is none."""
        try:
            with translated("find the snapshot"):
                handle = self._handle.snapshotLookupByName(name, 0)
                current = self._current()
        except SnapshotNotFound:
            return None
        return self._read(handle, current)

    def xml(self, name: str) -> str:
        """Its XML, the passwords in it included: `redefine` would lose them. Raises `SnapshotNotFound`."""
        with translated("read the snapshot"):
            handle = self._handle.snapshotLookupByName(name, 0)
            return str(handle.getXMLDesc(libvirt.VIR_DOMAIN_SNAPSHOT_XML_SECURE))

    def take(self, snapshot: Snapshot, quiesce: bool = False) -> None:
        """Take it, of all its disks or of none. With ``quiesce`` the guest's agent freezes its file systems meanwhile.

        The guest runs on while its memory is written beside its disks; it stands still while it is written into one.
        """
        flags = 0
        if snapshot.memory == "external":
            flags = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_LIVE
        elif snapshot.is_external:
            flags = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC
        if quiesce:
            flags |= libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE
        with translated("take the snapshot"):
            self._handle.snapshotCreateXML(snapshot_xml(snapshot), flags)

    def redefine(self, xml: str, current: bool) -> None:
        """Replace what libvirt keeps of the one that ``xml`` names; ``current`` as it is."""
        flags = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE
        flags |= libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT if current else 0
        with translated("write the snapshot's record"):
            self._handle.snapshotCreateXML(xml, flags)

    def revert(self, name: str, power: str) -> None:
        """Bring the domain back to that one; ``power`` is running, paused, or as-taken.

        libvirt calls several reverts risky, and wants to be forced: whether it may be is decided before.
        """
        flags = libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_FORCE
        flags |= {
            "as-taken": 0,
            "running": libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING,
            "paused": libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED,
        }[power]
        with translated("revert to the snapshot"):
            self._handle.revertToSnapshot(self._handle.snapshotLookupByName(name, 0), flags)

    def remove(self, name: str) -> None:
        """Remove that one; what came after it comes after its parent then. Raises `SnapshotNotFound`."""
        with translated("remove the snapshot"):
            self._handle.snapshotLookupByName(name, 0).delete(0)

    def discard_saved_memory(self) -> None:
        """Have the domain's next start not go on from its saved memory, if it has any."""
        with translated("discard the VM's saved memory"):
            if self._handle.hasManagedSaveImage():
                self._handle.managedSaveRemove()

    def forget_series(self) -> None:
        """Take out of the domain's metadata what a revert has brought along of the snapshot's series."""
        flags = libvirt.VIR_DOMAIN_AFFECT_CONFIG
        with translated("write the VM's record"):
            if self._handle.isActive():
                flags |= libvirt.VIR_DOMAIN_AFFECT_LIVE
            if SERIES_NAMESPACE in self._handle.XMLDesc(0):
                self._handle.setMetadata(
                    libvirt.VIR_DOMAIN_METADATA_ELEMENT, None, SERIES_PREFIX, SERIES_NAMESPACE, flags
                )

    def give_agent_time(self, seconds: int) -> None:
        """How long the guest's agent may take for each answer from now on."""
        with translated("ask the guest's agent"):
            self._handle.agentSetResponseTimeout(seconds, 0)

    def thaw(self) -> None:
        """Have the guest's agent thaw its file systems; those that are not frozen stay as they are."""
        with translated("thaw the guest's file systems"):
            self._handle.fsThaw()

    def _current(self) -> Optional[str]:
        return str(self._handle.snapshotCurrent(0).getName()) if self._handle.hasCurrentSnapshot(0) else None

    def _read(self, handle: Any, current: Optional[str]) -> Optional[Snapshot]:
        try:
            with translated("read the snapshot"):
                return read_snapshot(handle.getXMLDesc(0), current=handle.getName() == current)
        except SnapshotNotFound:
            return None  # it has gone meanwhile
