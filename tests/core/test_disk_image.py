# SPDX-License-Identifier: GPL-3.0-or-later
"""What a disk image's first bytes say: what it is, and what no host may be given."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.hostler.libvirt.plugins.module_utils.disk_image import (
    HEAD_BYTES,
    LARGEST,
    check_head,
    check_whole,
    format_named,
    format_of,
    read_qcow2,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec
from tests.core.machines import GIB, MIB

ISO = bytes(32769) + b"CD001" + bytes(2048)
RAW = b"\xeb\x63\x90" + bytes(1021)


def qcow2(version: int = 3, size: int = GIB, features: int = 0, **changes: int) -> bytes:
    """The header of a qcow2 whose tables end at 256 KiB, as qemu-img makes it."""
    fields = {
        "backing_at": 0,
        "backing_length": 0,
        "cluster_bits": 16,
        "size": size,
        "encryption": 0,
        "l1_size": 2,
        "l1_at": 196608,
        "refcounts_at": 65536,
        "refcount_clusters": 1,
        "snapshots": 0,
        "snapshots_at": 0,
    }
    fields.update(changes)
    header = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", version, *fields.values())
    return (header + struct.pack(">QQQII", features, 0, 0, 4, 104)).ljust(512, b"\0")


def problem(head: bytes, name: str = "x", wanted: str | None = None) -> str:
    """What `check_head` says against it."""
    with pytest.raises(InvalidSpec) as caught:
        check_head(name, head, wanted)
    assert caught.value.field == "content"
    return caught.value.message


@pytest.mark.parametrize(("head", "kind"), [(qcow2(), "qcow2"), (qcow2(2), "qcow2"), (ISO, "iso"), (RAW, "raw")])
def test_content_says_its_format(head: bytes, kind: str) -> None:
    assert format_of(head) == kind
    assert check_head("an image", head) == kind
    assert check_head(f"an.image.{kind.upper()}", head, wanted=kind) == kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.qcow2", "qcow2"), ("A.ISO", "iso"), ("a.raw", "raw"), ("a.img", None), ("qcow2", None), ("a.raw.xz", None)],
)
def test_a_name_may_say_a_format(name: str, kind: str | None) -> None:
    assert format_named(name) == kind


def test_content_that_its_name_or_its_request_belies_is_refused() -> None:
    assert problem(RAW, "a.qcow2") == "content: it is not qcow2, as the name says, but raw"
    assert problem(qcow2(), "a.raw") == "content: it is not raw, as the name says, but qcow2"
    assert problem(qcow2(), "a.iso") == "content: it is not iso, as the name says, but qcow2"
    assert problem(RAW, "a.img", wanted="iso") == "content: it is not iso, as the request says, but raw"
    assert problem(b"") == "content: it is empty"


@pytest.mark.parametrize(
    ("magic", "what"),
    [
        (b"KDMV", "VMDK"),
        (b"# Disk DescriptorFile\n", "VMDK"),
        (b"conectix", "VHD"),
        (b"vhdxfile", "VHDX"),
        (bytes(64) + b"\x7f\x10\xda\xbe", "VDI"),
        (b"QED\0", "QED"),
        (b"LUKS\xba\xbe", "encrypted"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\xfd7zXZ\0", "xz"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"BZh9", "bzip2"),
        (b"PK\x03\x04", "zip"),
    ],
)
def test_another_kind_of_file_is_refused_by_its_kind(magic: bytes, what: str) -> None:
    assert what in problem(magic.ljust(1024, b"\0"))


def test_what_could_be_two_things_is_neither() -> None:
    both = qcow2().ljust(32769, b"\0") + ISO[32769:]

    assert "could be taken for" in problem(both)


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (qcow2(backing_at=600, backing_length=11), "backing file"),
        (qcow2(backing_at=600), "backing file"),
        (qcow2(backing_length=11), "backing file"),
        (qcow2(2, backing_at=600, backing_length=11), "backing file"),
        (qcow2(features=1 << 2), "data in another file"),
        (qcow2(features=1 << 63), "not known"),
        (qcow2(encryption=1), "encrypted"),
        (qcow2(encryption=2), "encrypted"),
        (qcow2(1), "version 1"),
        (qcow2(4), "version 4"),
        (qcow2(size=0), "virtual size"),
        (qcow2(size=LARGEST + 1), "virtual size"),
        (qcow2(size=2**64 - 1), "virtual size"),
        (qcow2(cluster_bits=8), "no sense"),
        (qcow2(cluster_bits=2**32 - 1), "no sense"),
        (qcow2()[:71], "cut off"),
        (qcow2()[:79], "cut off"),
        (b"QFI\xfb", "cut off"),
    ],
)
def test_a_qcow2_that_a_host_may_not_have_is_refused(head: bytes, why: str) -> None:
    assert why in problem(head)


def test_a_qcow2s_header_is_read() -> None:
    seen = read_qcow2(qcow2(size=5 * GIB + 512))

    assert (seen.capacity, seen.tables_end) == (5 * GIB + 512, 196608 + 16)
    assert read_qcow2(qcow2(refcounts_at=MIB, refcount_clusters=2)).tables_end == MIB + 2 * 65536


def test_an_image_that_cannot_be_whole_is_refused() -> None:
    for kind, head, size, why in (
        ("qcow2", qcow2(), 196608 + 15, "cut off"),
        ("qcow2", qcow2(l1_at=2**63), 10 * GIB, "cut off"),
        ("raw", RAW, 1025, "whole sectors"),
        ("raw", RAW, LARGEST + 512, "larger than 64 TiB"),
        ("iso", ISO, LARGEST + 2048, "larger than 64 TiB"),
    ):
        with pytest.raises(InvalidSpec, match=why):
            check_whole(kind, head, size)
    check_whole("qcow2", qcow2(), 196608 + 16)
    check_whole("raw", RAW, 1024)
    check_whole("iso", ISO, len(ISO))


@given(st.binary(max_size=200), st.sampled_from([b"", qcow2()[:72], b"QFI\xfb\0\0\0\3"]))
def test_whatever_is_sent_is_taken_or_refused(rest: bytes, begin: bytes) -> None:
    head = begin + rest
    assert len(head) < HEAD_BYTES
    try:
        kind = check_head("x", head)
        check_whole(kind, head, len(head))
    except InvalidSpec as error:
        assert error.message.startswith("content: ")
