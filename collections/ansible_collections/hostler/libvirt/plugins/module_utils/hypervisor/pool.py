# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage pools and the volumes in them."""

from __future__ import annotations

import time
from typing import Any, Iterable, Iterator, List, NamedTuple, Optional, Union
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    HostUnreachable,
    OperationFailed,
    PoolNotFound,
    VolumeNotFound,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.failure import translated
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import libvirt

# more than this does not fit into one message of libvirt's
_PIECE_BYTES = 256 * 1024
_AT_A_HOLE = -3  # virStreamRecvFlags' answer where zeros begin that were never written
_BUSY_LOOK_SECONDS = 0.1
_OUTAGE_SECONDS = 2.0

Content = Union[bytes, int]
"""A piece of a volume: bytes, or how many zeros there are where nothing is written."""


class VolumeFacts(NamedTuple):
    """What a volume is. ``capacity`` (virtual size) and ``allocation`` in bytes; ``backing_path`` on the host.

    ``type`` is file, block, dir, network …; ``length`` what a file has in bytes, and ``modified`` when it was written
    to last, in seconds; None where the host does not say it.
    """

    name: str
    path: str
    format: Optional[str]
    capacity: int
    allocation: int
    backing_path: Optional[str]
    type: str = "file"
    length: Optional[int] = None
    modified: Optional[str] = None


class PoolSpace(NamedTuple):
    """What a pool can hold in all, and what is free of that, in bytes."""

    capacity: int
    available: int


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
        length = root.findtext("physical")
        return VolumeFacts(
            name=self.name,
            path=self.path,
            format=None if kind is None else kind.get("type"),
            capacity=int(root.findtext("capacity", "0")),
            allocation=int(root.findtext("allocation", "0")),
            backing_path=root.findtext("backingStore/path"),
            type=root.get("type", ""),
            length=None if length is None else int(length),
            modified=root.findtext("target/timestamps/mtime"),
        )

    def grow(self, capacity: int) -> None:
        """Make its virtual size ``capacity`` bytes. Only while no running domain has it open."""
        with translated("resize the disk"):
            self.handle.resize(capacity, 0)

    def head(self, size: int) -> bytes:
        """The first ``size`` bytes of the file itself, or what there is of them."""
        with translated("read the volume"):
            stream = self._connection.newStream(0)
            try:
                self.handle.download(stream, 0, size, 0)
                pieces = list(iter(lambda: stream.recv(_PIECE_BYTES), b""))
                stream.finish()
            except BaseException:
                _abort(stream)
                raise
        return b"".join(pieces)

    def content(self) -> Iterator[Content]:
        """All of it, piece by piece: bytes, or how many zeros there are where nothing is written.

        Leave the iterator by `close` where not all is taken.
        """
        with translated("read the volume"):
            stream = self._connection.newStream(0)
            try:
                self.handle.download(stream, 0, 0, libvirt.VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM)
                while True:
                    piece = stream.recvFlags(_PIECE_BYTES, libvirt.VIR_STREAM_RECV_STOP_AT_HOLE)
                    if piece == _AT_A_HOLE:
                        piece = int(stream.recvHole())
                    if not piece:
                        break
                    yield piece
                stream.finish()
            except BaseException:
                _abort(stream)
                raise

    def fill(self, pieces: Iterable[Content]) -> None:
        """Write ``pieces`` as `content` gives them, from the volume's beginning; a raw one grows as it needs."""
        with translated("write the volume"):
            stream = self._connection.newStream(0)
            try:
                self.handle.upload(stream, 0, 0, libvirt.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM)
                for piece in pieces:
                    if isinstance(piece, int):
                        stream.sendHole(piece)
                    else:
                        _send(stream, piece)
                stream.finish()
            except BaseException:
                _abort(stream)
                raise

    def upload(self, content: bytes) -> None:
        """Fill it with ``content``."""
        self.write((content,))

    def write(self, pieces: Iterable[bytes]) -> None:
        """Write ``pieces``, one after the other, from the volume's beginning; a raw one grows as it needs.

        A piece is taken when libvirt has taken the one before, so no more than one is held here. What ``pieces`` raises
        ends the upload and is raised; the volume then holds what was written so far.
        """
        with translated("upload the volume"):
            stream = self._connection.newStream(0)
            try:
                self.handle.upload(stream, 0, 0, 0)
                for piece in pieces:
                    _send(stream, piece)
                stream.finish()
            except BaseException:
                _abort(stream)
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

    def create_volume(self, name: str, capacity: int, kind: str, backing: Optional[VolumeFacts] = None) -> Volume:
        """Make a sparse volume of ``capacity`` bytes, an overlay of ``backing`` if that is given."""
        with translated(f"create volume '{name}'"):
            return Volume(self._connection, self._handle.createXML(_volume_xml(name, capacity, kind, backing), 0))

    def copy_volume(self, name: str, capacity: int, kind: str, source: Volume) -> Volume:
        """Make a volume that is an independent copy of ``source``; blocks until it is copied."""
        with translated(f"copy volume '{source.name}' to '{name}'"):
            xml = _volume_xml(name, capacity, kind, None, sparse=True)
            return Volume(self._connection, self._handle.createXMLFrom(xml, source.handle, 0))


def _volume_xml(name: str, capacity: int, kind: str, backing: Optional[VolumeFacts], sparse: bool = False) -> str:
    root = Element("volume")
    SubElement(root, "name").text = name
    SubElement(root, "capacity", {"unit": "bytes"}).text = str(capacity)
    SubElement(root, "allocation", {"unit": "bytes"}).text = "0" if sparse or kind == "qcow2" else str(capacity)
    target = SubElement(root, "target")
    SubElement(target, "format", {"type": kind})
    if kind == "qcow2":
        # libvirt's default is the version of 2009, whose disks can't be resized once they have an internal snapshot
        SubElement(target, "compat").text = "1.1"
    if backing is not None:
        store = SubElement(root, "backingStore")
        SubElement(store, "path").text = backing.path
        # the format is named, or a guest could write a qcow2 header into a raw image and read the host's files
        # (and QEMU has no driver for what libvirt calls iso)
        SubElement(store, "format", {"type": "raw" if backing.format in (None, "iso") else str(backing.format)})
    return ElementTree.tostring(root, encoding="unicode")


def _send(stream: Any, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        taken = stream.send(bytes(rest[:_PIECE_BYTES]))
        rest = rest[taken:]


def _abort(stream: Any) -> None:
    try:
        stream.abort()
    except libvirt.libvirtError:
        pass  # it has failed already, and why is what is worth telling


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
