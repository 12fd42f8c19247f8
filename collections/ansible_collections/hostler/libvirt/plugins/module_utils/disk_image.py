# SPDX-License-Identifier: GPL-3.0-or-later
"""What the beginning of a disk image says it is, and whether a host may be given it.

A qcow2 can name other files of its host, as its backing file or as the file that holds its data: whoever may bring
an image could read the host's files by it, so such an image is refused by its header, before any of it is written.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec

HEAD_BYTES = 64 * 1024
"""How many bytes of the beginning are enough for `format_of` and `read_qcow2`."""

FORMATS = ("qcow2", "raw", "iso")
SECTOR = 512
LARGEST = 64 * 1024 * 1024**3
"""The largest virtual size in bytes: no VM's disk can be larger (`MachineSpec.disk_gb`)."""

_QCOW2 = b"QFI\xfb"
_ISO_AT, _ISO = 32769, b"CD001"  # ECMA-119: the identifier of the first volume descriptor
_OTHERS = (
    (0, b"KDMV", "a VMDK image"),
    (0, b"COWD", "a VMDK image"),
    (0, b"# Disk Descriptor", "a VMDK descriptor"),
    (0, b"conectix", "a VHD image"),
    (0, b"vhdxfile", "a VHDX image"),
    (64, b"\x7f\x10\xda\xbe", "a VDI image"),
    (0, b"QED\x00", "a QED image"),
    (0, b"LUKS\xba\xbe", "an encrypted image (LUKS)"),
    (0, b"WithoutFreeSpace", "a Parallels image"),
    (0, b"WithouFreSpacExt", "a Parallels image"),
    (0, b"Bochs Virtual HD Image", "a Bochs image"),
    (0, b"OOOM", "a COW image"),
    (0, b"\x1f\x8b", "compressed (gzip)"),
    (0, b"\xfd7zXZ\x00", "compressed (xz)"),
    (0, b"\x28\xb5\x2f\xfd", "compressed (zstd)"),
    (0, b"BZh", "compressed (bzip2)"),
    (0, b"PK\x03\x04", "a zip archive"),
)

_HEADER = struct.Struct(">4sIQIIQIIQQI")  # QEMU's docs/interop/qcow2.txt; this much is the same in both versions
_HEADER_BYTES = 72  # of version 2; the features of version 3 follow
_FEATURES = struct.Struct(">Q")
_EXTERNAL_DATA = 1 << 2
_KNOWN_FEATURES = 0b11111  # dirty, corrupt, external data, compression type, extended L2 entries


@dataclass(frozen=True)
class Qcow2:
    """What matters of a qcow2's header. Sizes and offsets in bytes."""

    capacity: int  # the virtual size
    tables_end: int  # where the tables end that the header names: a shorter file is cut off


def format_of(head: bytes) -> str:
    """One of `FORMATS`: what the content is, whatever it is called.

    Raises `InvalidSpec` (field ``content``) for another kind of image, and for one that could be taken for two.
    """
    for offset, magic, what in _OTHERS:
        if head.startswith(magic, offset):
            raise _refused(f"it is {what}; only qcow2, raw and iso are taken")
    is_qcow2 = head.startswith(_QCOW2)
    is_iso = head.startswith(_ISO, _ISO_AT)
    if is_qcow2 and is_iso:
        raise _refused("it could be taken for a qcow2 and for an iso")
    return "qcow2" if is_qcow2 else "iso" if is_iso else "raw"


def format_named(name: str) -> Optional[str]:
    """The format that an image's name says it has; None for one that says nothing (``.img`` is used for several)."""
    return next((kind for kind in FORMATS if name.lower().endswith(f".{kind}")), None)


def check_head(name: str, head: bytes, wanted: Optional[str] = None) -> str:
    """The format of the image whose beginning is ``head``, if it may be put on a host; ``head`` is all of a short one.

    Raises `InvalidSpec` for what it may not be, and where it isn't what its name, or ``wanted``, says.
    """
    if not head:
        raise _refused("it is empty")
    kind = format_of(head)
    said = wanted or format_named(name)
    if said is not None and kind != said:
        raise _refused(f"it is not {said}, as the {'request' if wanted else 'name'} says, but {kind}")
    if kind == "qcow2":
        read_qcow2(head)
    return kind


def check_whole(kind: str, head: bytes, size: int) -> None:
    """Raise `InvalidSpec` unless an image of ``size`` bytes in all can be whole."""
    if kind == "qcow2":
        if size < read_qcow2(head).tables_end:
            raise _refused("the qcow2 is cut off")
    elif size > LARGEST:
        raise _refused(f"it is larger than {LARGEST // 1024**4} TiB")
    elif kind == "raw" and size % SECTOR:
        raise _refused(f"a raw disk has whole sectors of {SECTOR} bytes, and this has {size} bytes")


def read_qcow2(head: bytes) -> Qcow2:
    """The header of a qcow2; raises `InvalidSpec` for one that a host must not be given, or that makes no sense."""
    if len(head) < _HEADER_BYTES:
        raise _refused("the qcow2 is cut off")
    header = _HEADER.unpack_from(head)
    version, backing_at, backing_length, cluster_bits, capacity, encryption = header[1:7]
    l1_size, l1_at, refcounts_at, refcount_clusters = header[7:]
    if version not in (2, 3):
        raise _refused(f"the qcow2 has version {version}; only 2 and 3 are taken")
    if backing_at or backing_length:
        raise _refused("the qcow2 has a backing file; flatten it first (qemu-img convert)")
    if encryption:
        raise _refused("the qcow2 is encrypted")
    if version == 3:
        _check_features(head)
    if not 9 <= cluster_bits <= 21:
        raise _refused("the header of the qcow2 makes no sense")
    if not 0 < capacity <= LARGEST:
        raise _refused(f"the virtual size of the qcow2 is not between 1 byte and {LARGEST // 1024**4} TiB")
    return Qcow2(capacity, max(l1_at + l1_size * 8, refcounts_at + (refcount_clusters << cluster_bits)))


def _check_features(head: bytes) -> None:
    if len(head) < _HEADER_BYTES + _FEATURES.size:
        raise _refused("the qcow2 is cut off")
    (features,) = _FEATURES.unpack_from(head, _HEADER_BYTES)
    if features & _EXTERNAL_DATA:
        raise _refused("the qcow2 keeps its data in another file; flatten it first (qemu-img convert)")
    if features & ~_KNOWN_FEATURES:
        raise _refused("the qcow2 asks for features that are not known")


def _refused(reason: str) -> InvalidSpec:
    return InvalidSpec([FieldError("content", reason)])
