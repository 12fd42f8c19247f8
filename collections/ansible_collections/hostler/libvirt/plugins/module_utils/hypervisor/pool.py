# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage pools and the volumes in them."""

from __future__ import annotations

import time
from typing import Any, List, NamedTuple, Optional
from xml.etree import ElementTree

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    HostUnreachable,
    OperationFailed,
    PoolNotFound,
    VolumeNotFound,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.failure import translated
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import libvirt
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.volume import Volume, VolumeFacts
from ansible_collections.hostler.libvirt.plugins.module_utils.storage_xml.volume import volume_xml

_BUSY_LOOK_SECONDS = 0.1
_OUTAGE_SECONDS = 2.0


class PoolSpace(NamedTuple):
    """What a pool can hold in all, and what is free of that, in bytes."""

    capacity: int
    available: int


class Pool:
    """One storage pool."""

    def __init__(self, connection: Any, handle: Any) -> None:
        self._connection = connection
        self._handle = handle
        self.name: str = handle.name()

    def is_active(self) -> bool:
        """Whether its volumes can be reached."""
        with translated("read the storage pool"):
            return bool(self._handle.isActive())

    def require_active(self) -> Pool:
        """Itself; raises `PoolNotFound` if it is not active."""
        if not self.is_active():
            raise PoolNotFound(f"Storage pool '{self.name}' is not active")
        return self

    def space(self) -> PoolSpace:
        """What it can hold, and what is free of it."""
        with translated("read the storage pool"):
            info = self._handle.info()
        return PoolSpace(capacity=int(info[1]), available=int(info[3]))

    def type_and_path(self) -> List[str]:
        """Its type (dir, logical …) and the folder or device directory of its volumes."""
        with translated("read the storage pool"):
            root = ElementTree.fromstring(self._handle.XMLDesc(0))  # noqa: S314  libvirtd made it
        return [root.get("type", ""), root.findtext("target/path", "")]

    def refresh(self, patience: float = 30.0) -> None:
        """Let libvirt look again at what is in it.

        It can't while a volume of the pool is being copied: raises `OperationFailed` if that takes longer than
        ``patience`` seconds.
        """
        deadline = time.monotonic() + patience
        while True:
            try:
                with translated("refresh the storage pool"):
                    self._handle.refresh(0)
                return
            except OperationFailed as error:
                # libvirt has no code of its own for it
                if "has asynchronous jobs running" not in error.message or time.monotonic() >= deadline:
                    self._start_again()
                    raise
            time.sleep(_BUSY_LOOK_SECONDS)

    def _start_again(self) -> None:
        """Bring back a pool that libvirt has stopped because it could not look into it for a moment."""
        deadline = time.monotonic() + _OUTAGE_SECONDS
        while True:
            try:
                if self._handle.isActive():
                    return
                self._handle.create(0)
            except libvirt.libvirtError:
                if time.monotonic() >= deadline:
                    return  # whoever needs it is told that it is not active
            time.sleep(_BUSY_LOOK_SECONDS)

    def refresh_if_idle(self) -> None:
        """Let libvirt look again, unless it is at work on a volume of the pool: what it knows then has to do."""
        try:
            self.refresh(patience=2.0)
        except HostUnreachable:
            raise
        except HostlerError:
            pass

    def find_volume(self, name: str) -> Optional[Volume]:
        """The volume ``name``, None if it has none."""
        try:
            with translated("find the volume"):
                return Volume(self._connection, self._handle.storageVolLookupByName(name))
        except VolumeNotFound:
            return None

    def discard(self, name: str) -> None:
        """Delete the volume ``name``; one that is not there is no error."""
        volume = self.find_volume(name)
        if volume is not None:
            volume.delete()

    def volumes(self) -> List[Volume]:
        """All its volumes."""
        with translated("list the volumes"):
            return _handles(self._handle.listAllVolumes(0), self._connection)

    def volume_names(self) -> List[str]:
        """The names of all its volumes, by one call to the host."""
        with translated("list the volumes"):
            listed = self._handle.listAllVolumes(0)
        return [name for name in (_name(handle) for handle in listed) if name is not None]

    def create_volume(
        self,
        name: str,
        capacity: int,
        kind: Optional[str],
        backing: Optional[VolumeFacts] = None,
        preallocation: Optional[str] = None,
    ) -> Volume:
        """Make a volume of ``capacity`` bytes, an overlay of ``backing`` if that is given.

        ``preallocation`` is none, metadata (of a qcow2) or full; None: full of what is no qcow2, none of a qcow2.
        """
        is_qcow2 = kind == "qcow2"
        whole = preallocation == "full" or (preallocation is None and not is_qcow2)
        flags = 0
        if is_qcow2 and preallocation in ("metadata", "full"):
            flags = libvirt.VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA
        below = () if backing is None else (backing.path, backing.format)
        xml = volume_xml(name, capacity, kind, capacity if whole else 0, *below)
        with translated(f"create volume '{name}'"):
            return Volume(self._connection, self._handle.createXML(xml, flags))

    def copy_volume(self, name: str, capacity: int, kind: Optional[str], source: Volume) -> Volume:
        """Make a volume that is an independent copy of ``source``; blocks until it is copied."""
        xml = volume_xml(name, capacity, kind, 0)
        with translated(f"copy volume '{source.name}' to '{name}'"):
            return Volume(self._connection, self._handle.createXMLFrom(xml, source.handle, 0))


def _name(handle: Any) -> Optional[str]:
    try:
        name: str = handle.name()
    except UnicodeDecodeError:
        return None
    return name


def _handles(listed: List[Any], connection: Any) -> List[Volume]:
    """The volumes of those handles, but for those that have gone meanwhile and those that nobody can name."""
    found = []
    for handle in listed:
        try:
            found.append(Volume(connection, handle))
        except UnicodeDecodeError:
            continue  # a file's name may be any bytes; libvirt's bindings know only text
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_STORAGE_VOL:
                raise
    return found
