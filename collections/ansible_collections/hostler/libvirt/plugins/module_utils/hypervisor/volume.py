# SPDX-License-Identifier: GPL-3.0-or-later
"""One volume of a storage pool."""

from __future__ import annotations

from typing import Any, Iterable, Iterator, NamedTuple, Optional, Union
from xml.etree import ElementTree

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.failure import translated
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import libvirt

# what fits into one message of libvirt's (VIR_NET_MESSAGE_LEGACY_PAYLOAD_MAX in its virnetprotocol.x, which virsh uses,
# too); 24 bytes more, which are 256 KiB, take twice the time
_PIECE_BYTES = 262120
_AT_A_HOLE = -3  # virStreamRecvFlags' answer where zeros begin that were never written

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

    def capacity(self) -> int:
        """Its virtual size in bytes, as its file says at this moment."""
        with translated("read the volume"):
            return int(self.handle.info()[1])

    def grow(self, capacity: int) -> None:
        """Make its virtual size ``capacity`` bytes. Only while no running domain has it open."""
        with translated("resize the disk"):
            self.handle.resize(capacity, 0)

    def shrink(self, capacity: int) -> None:
        """Make its virtual size ``capacity`` bytes, fewer than it has. What lies behind is lost."""
        with translated("shrink the volume"):
            self.handle.resize(capacity, libvirt.VIR_STORAGE_VOL_RESIZE_SHRINK)

    def wipe(self) -> None:
        """Write zeros over all of it. What a file system or an SSD keeps of what was there is out of reach."""
        with translated("wipe the volume"):
            self.handle.wipePattern(libvirt.VIR_STORAGE_VOL_WIPE_ALG_ZERO, 0)

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

        A piece is taken when libvirt has taken the one before, so hardly more than one is held here. What ``pieces``
        raises ends the upload and is raised; the volume then holds what was written so far.
        """
        with translated("upload the volume"):
            stream = self._connection.newStream(0)
            try:
                self.handle.upload(stream, 0, 0, 0)
                for piece in _in_messages(pieces):
                    _send(stream, piece)
                stream.finish()
            except BaseException:
                _abort(stream)
                raise

    def delete(self) -> None:
        """Delete it, with its content."""
        with translated("delete the disk"):
            self.handle.delete(0)


def _in_messages(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces that fill a message each, but for the last."""
    left = b""
    for piece in pieces:
        if not left and len(piece) == _PIECE_BYTES:
            yield piece  # whoever reads in pieces of that size has none of them copied
            continue
        rest = memoryview(piece)
        if left:
            missing = _PIECE_BYTES - len(left)
            left, rest = left + rest[:missing], rest[missing:]
            if len(left) < _PIECE_BYTES:
                continue
            yield left
        while len(rest) >= _PIECE_BYTES:
            yield bytes(rest[:_PIECE_BYTES])
            rest = rest[_PIECE_BYTES:]
        left = bytes(rest)
    if left:
        yield left


def _send(stream: Any, piece: bytes) -> None:
    while piece:
        taken = stream.send(piece[:_PIECE_BYTES])
        piece = piece[taken:]


def _abort(stream: Any) -> None:
    try:
        stream.abort()
    except libvirt.libvirtError:
        pass  # it has failed already, and why is what is worth telling
