# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage pools and the volumes in them."""

from __future__ import annotations

from typing import Any, List, NamedTuple, Optional
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import PoolNotFound, VolumeNotFound
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.failure import translated
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import libvirt


class VolumeFacts(NamedTuple):
    """What a volume is. ``capacity`` (virtual size) and ``allocation`` in bytes; ``backing_path`` on the host."""

    name: str
    path: str
    format: Optional[str]
    capacity: int
    allocation: int
    backing_path: Optional[str]


class Volume:
    """One volume."""

    def __init__(self, connection: Any, handle: Any) -> None:
        self._connection = connection
        self.handle = handle
        self.name: str = handle.name()
        self.path: str = handle.path()

    def facts(self) -> VolumeFacts:
        """Read what it is."""
        with translated("read the volume"):
            root = ElementTree.fromstring(self.handle.XMLDesc(0))  # noqa: S314  libvirtd made it
        kind = root.find("target/format")
        return VolumeFacts(
            name=self.name,
            path=self.path,
            format=None if kind is None else kind.get("type"),
            capacity=int(root.findtext("capacity", "0")),
            allocation=int(root.findtext("allocation", "0")),
            backing_path=root.findtext("backingStore/path"),
        )

    def pool_type(self) -> str:
        """The type of its pool (dir, logical, iscsi)."""
        with translated("read the storage pool"):
            pool = ElementTree.fromstring(self.handle.storagePoolLookupByVolume().XMLDesc(0))  # noqa: S314
        return pool.get("type", "")

    def grow(self, capacity: int) -> None:
        """Make its virtual size ``capacity`` bytes. Only while no running domain has it open."""
        with translated("resize the disk"):
            self.handle.resize(capacity, 0)

    def upload(self, content: bytes) -> None:
        """Fill it with ``content``."""
        with translated("upload the volume"):
            stream = self._connection.newStream(0)
            try:
                self.handle.upload(stream, 0, len(content), 0)
                stream.sendAll(lambda _stream, size, rest: _take(rest, size), bytearray(content))
                stream.finish()
            except libvirt.libvirtError:
                stream.abort()
                raise

    def delete(self) -> None:
        """Delete it, with its content."""
        with translated("delete the disk"):
            self.handle.delete(0)


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

    def available(self) -> int:
        """Free bytes."""
        with translated("read the storage pool"):
            return int(self._handle.info()[3])

    def type_and_path(self) -> List[str]:
        """Its type (dir, logical …) and the folder or device directory of its volumes."""
        with translated("read the storage pool"):
            root = ElementTree.fromstring(self._handle.XMLDesc(0))  # noqa: S314  libvirtd made it
        return [root.get("type", ""), root.findtext("target/path", "")]

    def refresh(self) -> None:
        """Let libvirt look again at what is in it."""
        with translated("refresh the storage pool"):
            self._handle.refresh(0)

    def find_volume(self, name: str) -> Optional[Volume]:
        """The volume ``name``, None if it has none."""
        try:
            with translated("find the volume"):
                return Volume(self._connection, self._handle.storageVolLookupByName(name))
        except VolumeNotFound:
            return None

    def volumes(self) -> List[Volume]:
        """All its volumes."""
        with translated("list the volumes"):
            return [Volume(self._connection, handle) for handle in self._handle.listAllVolumes(0)]

    def create_volume(self, name: str, capacity: int, kind: str, backing: Optional[VolumeFacts] = None) -> Volume:
        """Make a sparse volume of ``capacity`` bytes, an overlay of ``backing`` if that is given."""
        with translated(f"create volume '{name}'"):
            return Volume(self._connection, self._handle.createXML(_volume_xml(name, capacity, kind, backing), 0))

    def copy_volume(self, name: str, capacity: int, kind: str, source: Volume) -> Volume:
        """Make a volume that is an independent copy of ``source``; blocks until it is copied."""
        with translated(f"copy volume '{source.name}' to '{name}'"):
            xml = _volume_xml(name, capacity, kind, None)
            return Volume(self._connection, self._handle.createXMLFrom(xml, source.handle, 0))


def _volume_xml(name: str, capacity: int, kind: str, backing: Optional[VolumeFacts]) -> str:
    root = Element("volume")
    SubElement(root, "name").text = name
    SubElement(root, "capacity", {"unit": "bytes"}).text = str(capacity)
    SubElement(root, "allocation", {"unit": "bytes"}).text = "0" if kind == "qcow2" else str(capacity)
    SubElement(SubElement(root, "target"), "format", {"type": kind})
    if backing is not None:
        store = SubElement(root, "backingStore")
        SubElement(store, "path").text = backing.path
        # the format is named, or a guest could write a qcow2 header into a raw image and read the host's files
        SubElement(store, "format", {"type": backing.format or "raw"})
    return ElementTree.tostring(root, encoding="unicode")


def _take(rest: bytearray, size: int) -> bytes:
    piece = bytes(rest[:size])
    del rest[:size]
    return piece
