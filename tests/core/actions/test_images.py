# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's base images: they come whole or not at all, are told from disks, and go only when nobody needs them."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils import digests
from ansible_collections.hostler.libvirt.plugins.module_utils.actions import image_upload, images
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.image_upload import NewImage, upload
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostUnreachable,
    ImageNotFound,
    InvalidSpec,
    NameTaken,
    NotEnoughSpace,
    PoolNotFound,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from lab.commands import run
from lab.host import Host
from tests.core.actions.guests import desired, made
from tests.core.machines import GIB, MIB

pytestmark = pytest.mark.lab

POOL = "images"


def listing(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


class Gone(Exception):
    """What a client that goes away makes of its bytes."""


@pytest.fixture
def folder(lab_host: Host) -> Path:
    return lab_host.layout.pools[POOL]


@pytest.fixture(autouse=True)
def nothing_is_left(lab_host: Host, folder: Path) -> Iterator[None]:
    """After each test the pool's folder has what it had."""
    before = listing(folder)
    yield
    for name in set(listing(folder)) - set(before):
        path = folder / name
        path.rmdir() if path.is_dir() else path.unlink()
    lab_host.virsh("pool-refresh", POOL)


@pytest.fixture
def qcow2(tmp_path: Path) -> Path:
    """A qcow2 of 1 GiB that holds a little."""
    raw = tmp_path / "some.raw"
    raw.write_bytes(os.urandom(3 * MIB))
    os.truncate(raw, GIB)
    file = tmp_path / "some.qcow2"
    run("qemu-img", "convert", "-O", "qcow2", raw, file)
    return file


def pieces(content: bytes, size: int = 100_000) -> Iterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


def put(hypervisor: Hypervisor, name: str, content: bytes, **fields: str | int) -> image_upload.Uploaded:
    return upload(hypervisor, POOL, NewImage(name, **fields), pieces(content))  # type: ignore[arg-type]


def names(hypervisor: Hypervisor, refresh: bool = False) -> list[str]:
    return [facts.name for facts in images.look(hypervisor, POOL, refresh=refresh).images]


def test_an_image_is_what_was_sent(hypervisor: Hypervisor, folder: Path, qcow2: Path) -> None:
    content = qcow2.read_bytes()

    uploaded = put(hypervisor, "debian-12.qcow2", content, size=len(content))

    digest = hashlib.sha256(content).hexdigest()
    assert (folder / "debian-12.qcow2").read_bytes() == content
    assert (uploaded.sha256, uploaded.size) == (digest, len(content))
    seen = uploaded.volume
    assert (seen.name, seen.format, seen.capacity, seen.backing_path) == ("debian-12.qcow2", "qcow2", GIB, None)
    assert images.look(hypervisor, POOL).unfinished == frozenset()
    assert "debian-12.qcow2" in names(hypervisor)


def test_an_image_of_unknown_size_in_pieces_of_any_size(hypervisor: Hypervisor, folder: Path) -> None:
    content = os.urandom(700 * 1024)

    upload(hypervisor, POOL, NewImage("a raw disk & more.img"), iter([content[:1], b"", content[1:]]))

    assert (folder / "a raw disk & more.img").read_bytes() == content
    (seen,) = [one for one in images.look(hypervisor, POOL).images if one.name == "a raw disk & more.img"]
    assert (seen.format, seen.capacity) == ("raw", len(content))


def test_no_more_of_an_image_is_held_than_what_waits_for_its_checksum(hypervisor: Hypervisor) -> None:
    """A piece is asked for when the one before has been sent: memory is bounded by pieces, not by images."""
    alive = 0
    most = 0

    class Piece(bytes):
        def __init__(self, _content: bytes) -> None:
            nonlocal alive, most
            alive += 1
            most = max(most, alive)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    upload(hypervisor, POOL, NewImage("a.raw"), (Piece(bytes(MIB)) for _ in range(40)))

    assert most <= digests._WAITING + 3  # one is being made, one sent, one hashed


def test_a_vm_is_made_from_an_image_that_was_uploaded(hypervisor: Hypervisor, lab_host: Host, qcow2: Path) -> None:
    put(hypervisor, "base.qcow2", qcow2.read_bytes())

    for mode in ("copy", "backing"):
        vm = made(hypervisor, desired(lab_host, f"from-{mode}", image="base.qcow2", image_mode=mode, disk_gb=1))
        path = vm.definition.disks[0].path
        assert path is not None
        assert run("qemu-img", "compare", qcow2, path)


@pytest.mark.parametrize("mode", ["copy", "backing"])
def test_a_disk_may_be_made_from_an_iso(hypervisor: Hypervisor, lab_host: Host, mode: str) -> None:
    put(hypervisor, "live.iso", bytes(32769) + b"CD001" + bytes(MIB - 32774))

    made(hypervisor, desired(lab_host, "live", image="live.iso", image_mode=mode))


def test_the_right_sum_passes_in_any_case_and_a_wrong_one_leaves_nothing(hypervisor: Hypervisor, folder: Path) -> None:
    content = bytes(MIB)
    digest = hashlib.sha256(content).hexdigest()
    put(hypervisor, "right.raw", content, sha256=digest.upper())
    before = listing(folder)

    with pytest.raises(InvalidSpec, match="is not that of the content") as caught:
        put(hypervisor, "wrong.raw", content, sha256="0" * 64)

    assert caught.value.field == "sha256"
    assert listing(folder) == before


def test_an_upload_that_is_cut_off_leaves_nothing(hypervisor: Hypervisor, folder: Path) -> None:
    before = listing(folder)

    def cut_off() -> Iterator[bytes]:
        yield bytes(300 * 1024)
        assert "cut.raw" in listing(folder)
        assert images.look(hypervisor, POOL).unfinished == {"cut.raw"}
        raise Gone

    with pytest.raises(Gone):
        upload(hypervisor, POOL, NewImage("cut.raw"), cut_off())
    with pytest.raises(InvalidSpec, match="1048576 bytes and not the 1048577 announced"):
        put(hypervisor, "short.raw", bytes(MIB), size=MIB + 1)

    assert listing(folder) == before
    assert images.look(hypervisor, POOL).unfinished == frozenset()


def test_an_image_is_not_there_before_it_is_whole(hypervisor: Hypervisor, lab_host: Host) -> None:
    def while_it_comes() -> Iterator[bytes]:
        yield bytes(MIB)
        assert "slow.raw" not in names(hypervisor, refresh=True)
        with pytest.raises(ImageNotFound, match="as a whole"):
            made(hypervisor, desired(lab_host, "hasty", image="slow.raw"))
        with pytest.raises(WrongState, match="is being uploaded"):
            images.remove(hypervisor, POOL, "slow.raw")
        yield bytes(MIB)

    upload(hypervisor, POOL, NewImage("slow.raw"), while_it_comes())

    assert "slow.raw" in names(hypervisor)
    assert made(hypervisor, desired(lab_host, "patient", image="slow.raw")).name == "patient"


def test_of_two_uploads_of_one_name_one_is_refused_and_the_other_unharmed(hypervisor: Hypervisor, folder: Path) -> None:
    first, second = os.urandom(MIB), os.urandom(MIB)

    def while_it_comes() -> Iterator[bytes]:
        yield first[: 512 * 1024]
        with pytest.raises(NameTaken):
            put(hypervisor, "twice.raw", second)
        yield first[512 * 1024 :]

    upload(hypervisor, POOL, NewImage("twice.raw"), while_it_comes())

    assert (folder / "twice.raw").read_bytes() == first
    with pytest.raises(NameTaken, match="already has a volume"):
        put(hypervisor, "twice.raw", second)
    assert (folder / "twice.raw").read_bytes() == first


def test_of_many_uploads_of_one_name_at_once_exactly_one_wins(lab_host: Host, folder: Path) -> None:
    contents = [bytes([number]) * MIB for number in range(6)]
    together = threading.Barrier(len(contents))
    won: list[bytes] = []
    lost: list[BaseException] = []

    def one(content: bytes) -> None:
        with Hypervisor.open(lab_host.uri) as hypervisor:

            def waiting() -> Iterator[bytes]:
                together.wait(30)
                yield from pieces(content)

            try:
                upload(hypervisor, POOL, NewImage("race.raw"), waiting())
                won.append(content)
            except NameTaken as error:
                lost.append(error)

    threads = [threading.Thread(target=one, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(won), len(lost)) == (1, 5)
    assert (folder / "race.raw").read_bytes() == won[0]
    assert ".race.raw.unfinished" not in listing(folder)


def test_a_qcow2_that_names_another_file_is_never_written(
    hypervisor: Hypervisor, folder: Path, tmp_path: Path, qcow2: Path
) -> None:
    """By its backing file, or its data file, whoever brings an image could read the host's own files."""
    overlay, data = tmp_path / "overlay.qcow2", tmp_path / "data.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", "/etc/hosts", overlay)
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", f"data_file={tmp_path}/data.raw", data, "1M")
    before = listing(folder)

    def watched(content: bytes) -> Iterator[bytes]:
        for piece in pieces(content):
            yield piece
            assert listing(folder) == before, "something of it was written"

    for file, why in ((overlay, "backing file"), (data, "data in another file")):
        for name in ("evil.qcow2", "evil.img"):
            with pytest.raises(InvalidSpec, match=why):
                upload(hypervisor, POOL, NewImage(name), watched(file.read_bytes()))
        with pytest.raises(InvalidSpec, match="not raw"):
            put(hypervisor, "evil.raw", file.read_bytes())

    assert listing(folder) == before


def test_what_the_host_takes_for_something_else_is_taken_away_again(
    hypervisor: Hypervisor, folder: Path, qcow2: Path
) -> None:
    """The last word has libvirt, by whose format a disk is attached."""
    before = listing(folder)

    def swapped_at_last() -> Iterator[bytes]:
        yield bytes(MIB)
        (folder / "a.raw").write_bytes(qcow2.read_bytes()[:MIB])

    with pytest.raises(InvalidSpec, match="the host takes it for qcow2, and not for raw"):
        upload(hypervisor, POOL, NewImage("a.raw", size=MIB), swapped_at_last())

    assert listing(folder) == before


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../up.raw", "without slashes"),
        ("a/b.raw", "without slashes"),
        ("/etc/passwd", "without slashes"),
        ("", "without slashes"),
        (".", "begin with a dot"),
        ("..", "begin with a dot"),
        (".hidden.raw", "begin with a dot"),
        (".a.raw.unfinished", "begin with a dot"),
        ("a\nb.raw", "control character"),
        ("a\0.raw", "control character"),
        ("a\x7f.raw", "control character"),
        ("a\x9b31m.raw", "control character"),  # what a terminal takes for ESC [
        ("\ud800.raw", "control character"),
        ("x" * 300, "without slashes"),
        ("ü" * 121, "longer than 240 bytes"),
        ("web-01234567-root.qcow2", "disks of VMs"),
        ("web-01234567-disk2.raw", "disks of VMs"),
        ("web-01234567-seed-0123456789ab.iso", "disks of VMs"),
    ],
)
def test_a_name_that_an_image_cannot_have(hypervisor: Hypervisor, folder: Path, name: str, why: str) -> None:
    before = listing(folder)

    with pytest.raises(InvalidSpec, match=why) as caught:
        put(hypervisor, name, bytes(MIB))

    assert caught.value.field == "name"
    assert listing(folder) == before


@pytest.mark.parametrize("name", ["<name>x<&amp;.raw", "{{ 7 * 7 }}.raw", "a'\";--.raw", "ü" * 118 + ".raw", "-rf"])
def test_a_name_is_only_ever_a_name(hypervisor: Hypervisor, folder: Path, name: str) -> None:
    put(hypervisor, name, bytes(1024))

    assert (folder / name).stat().st_size == 1024
    assert name in names(hypervisor)
    images.remove(hypervisor, POOL, name)
    assert not (folder / name).exists()


def test_every_wrong_field_is_named() -> None:
    with pytest.raises(InvalidSpec) as caught:
        image_upload.check_new_image(NewImage("a/b", format="vmdk", sha256="x"))

    assert [error.field for error in caught.value.errors] == ["name", "format", "sha256"]


def test_no_room_is_said_before_a_byte_is_asked_for(hypervisor: Hypervisor) -> None:
    def never() -> Iterator[bytes]:
        raise AssertionError("a byte was asked for")
        yield b""

    huge = NewImage("huge.raw", size=hypervisor.pool(POOL).space().available + GIB)
    with pytest.raises(NotEnoughSpace, match="GiB free, less than the"):
        upload(hypervisor, POOL, huge, never())
    with pytest.raises(NameTaken):
        upload(hypervisor, POOL, NewImage("tiny.qcow2"), never())
    with pytest.raises(PoolNotFound):
        upload(hypervisor, "nowhere", NewImage("a.raw"), never())


def test_a_file_that_the_pool_does_not_know_of_is_never_overwritten(hypervisor: Hypervisor, folder: Path) -> None:
    (folder / "precious.raw").write_text("precious")

    with pytest.raises(NameTaken, match="already has a volume"):
        put(hypervisor, "precious.raw", bytes(MIB))

    assert (folder / "precious.raw").read_text() == "precious"
    assert ".precious.raw.unfinished" not in listing(folder)


def test_a_host_that_goes_away_leaves_a_mark_by_which_the_rest_is_found(lab_host: Host, folder: Path) -> None:
    def while_libvirtd_dies() -> Iterator[bytes]:
        yield bytes(300 * 1024)
        lab_host.kill_libvirtd()
        yield from (bytes(256 * 1024) for _ in range(64))

    with Hypervisor.open(lab_host.uri) as hypervisor:
        try:
            with pytest.raises(HostUnreachable):
                upload(hypervisor, POOL, NewImage("half.raw"), while_libvirtd_dies())
        finally:
            lab_host.start_libvirtd()

    with Hypervisor.open(lab_host.uri) as hypervisor:
        assert images.look(hypervisor, POOL, refresh=True).unfinished == {"half.raw"}
        assert "half.raw" not in names(hypervisor)
        with pytest.raises(NameTaken):
            put(hypervisor, "half.raw", bytes(MIB))
        assert images.discard_unfinished(hypervisor, POOL, "half.raw")
        assert not images.discard_unfinished(hypervisor, POOL, "half.raw")
        assert {"half.raw", ".half.raw.unfinished"}.isdisjoint(listing(folder))
        put(hypervisor, "half.raw", bytes(MIB))
        assert not images.discard_unfinished(hypervisor, POOL, "half.raw"), "a whole image is no rest"
        assert "half.raw" in names(hypervisor)


def test_images_are_told_from_what_else_lies_there(hypervisor: Hypervisor, folder: Path) -> None:
    for name, content in {
        "good.raw": bytes(1024),
        "SHA256SUMS": b"0123  good.raw\n",
        "empty.raw": b"",
        ".hidden.raw": bytes(1024),
        "two\nlines.raw": bytes(1024),
        "web-01234567-root.qcow2": bytes(1024),
        "web-01234567-seed-0123456789ab.iso": bytes(32769) + b"CD001" + bytes(2048),
        "disc.iso": bytes(32769) + b"CD001" + bytes(2048),
        "other.vmdk": b"KDMV\1\0\0\0".ljust(1024, b"\0"),
    }.items():
        (folder / name).write_bytes(content)
    (folder / os.fsdecode(b"\xff.raw")).write_bytes(bytes(1024))
    (folder / "a-folder").mkdir()

    found = {facts.name: facts for facts in images.look(hypervisor, POOL, refresh=True).images}

    assert set(found) == {"tiny.qcow2", "good.raw", "disc.iso"}
    assert (found["disc.iso"].format, found["good.raw"].capacity) == ("iso", 1024)
    assert found["tiny.qcow2"].allocation > 0


def test_a_name_that_is_no_text_keeps_nobody_from_deleting(hypervisor: Hypervisor, folder: Path) -> None:
    put(hypervisor, "a.raw", bytes(1024))
    (folder / os.fsdecode(b"\xff.raw")).write_bytes(bytes(1024))
    hypervisor.pool(POOL).refresh()

    images.remove(hypervisor, POOL, "a.raw")

    assert "a.raw" not in names(hypervisor)


def test_a_vms_disk_is_no_image_and_a_disc_in_its_drive_is_one(
    hypervisor: Hypervisor, folder: Path, tmp_path: Path
) -> None:
    for name in ("by-path.raw", "by-pool.raw", "odd.raw", "free.raw"):
        put(hypervisor, name, bytes(1024))
    put(hypervisor, "disc.iso", bytes(32769) + b"CD001" + bytes(2048))
    definition = tmp_path / "domain.xml"
    definition.write_text(
        "<domain type='qemu'><name>theirs</name><memory>65536</memory>"
        "<os><type arch='x86_64' machine='q35'>hvm</type></os><devices>"
        f"<disk type='file' device='disk'><source file='{folder}/by-path.raw'/><target dev='vda'/></disk>"
        f"<disk type='file' device='disk'><source file='{folder}//./odd.raw'/><target dev='vdb'/></disk>"
        "<disk type='volume' device='disk'><source pool='images' volume='by-pool.raw'/><target dev='vdc'/></disk>"
        f"<disk type='file' device='cdrom'><source file='{folder}/disc.iso'/><target dev='sda' bus='sata'/></disk>"
        "<disk type='file' device='cdrom'><target dev='sdb' bus='sata'/></disk></devices></domain>"
    )
    domain = hypervisor.redefine(definition.read_text())

    found = images.look(hypervisor, POOL)

    assert [facts.name for facts in found.images] == ["disc.iso", "free.raw", "tiny.qcow2"]
    assert found.disks == {"by-path.raw", "by-pool.raw", "odd.raw"}
    for name in ("by-path.raw", "odd.raw", "disc.iso"):
        with pytest.raises(WrongState, match=f"'{name}' is in use by VM 'theirs'"):
            images.remove(hypervisor, POOL, name)
    # what was found to be a disk is believed until something new is there
    domain.undefine()
    again = images.look(hypervisor, POOL, known=["disc.iso", "free.raw", "tiny.qcow2"], known_disks=found.disks)
    assert again == found
    put(hypervisor, "new.raw", bytes(1024))
    later = images.look(hypervisor, POOL, known=["disc.iso", "free.raw", "tiny.qcow2"], known_disks=found.disks)
    assert later.disks == frozenset()
    assert {"by-path.raw", "by-pool.raw", "odd.raw", "new.raw"} < {facts.name for facts in later.images}


def test_an_image_that_a_disk_is_built_on_stays(hypervisor: Hypervisor, lab_host: Host, qcow2: Path) -> None:
    put(hypervisor, "base.qcow2", qcow2.read_bytes())
    vm = made(hypervisor, desired(lab_host, "built", image="base.qcow2", image_mode="backing", disk_gb=1))

    assert "base.qcow2" in names(hypervisor)
    with pytest.raises(WrongState, match=r"is in use by volume 'built-.*-root.qcow2' in storage pool 'default'"):
        images.remove(hypervisor, POOL, "base.qcow2")
    hypervisor.domain(vm.uuid).undefine()
    with pytest.raises(WrongState, match="in use by volume"):
        images.remove(hypervisor, POOL, "base.qcow2")
    hypervisor.pool("default").volumes()[0].delete()
    base, overlay = lab_host.layout.pools[POOL] / "base.qcow2", lab_host.layout.pools["default"] / "by-hand.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, overlay)
    with pytest.raises(WrongState, match=r"in use by volume 'by-hand.qcow2' in storage pool 'default'"):
        images.remove(hypervisor, POOL, "base.qcow2")
    overlay.unlink()
    images.remove(hypervisor, POOL, "base.qcow2")

    with pytest.raises(ImageNotFound):
        images.remove(hypervisor, POOL, "base.qcow2")


def test_an_upload_is_not_kept_from_ending_by_a_disk_that_is_being_copied(
    hypervisor: Hypervisor, lab_host: Host, folder: Path
) -> None:
    """libvirt refuses to look into a pool while one of its volumes is being copied."""
    source = folder / "large.raw"
    with source.open("wb") as file:
        for _ in range(256):
            file.write(os.urandom(MIB))
    pool = hypervisor.pool(POOL)
    pool.refresh()
    volume = pool.find_volume("large.raw")
    assert volume is not None
    copying = threading.Event()

    def copy() -> None:
        with Hypervisor.open(lab_host.uri) as other:
            copying.set()
            other.pool("default").copy_volume("copy.qcow2", 256 * MIB, "qcow2", volume)

    def while_it_is_copied() -> Iterator[bytes]:
        yield bytes(MIB)
        thread.start()
        assert copying.wait(10)
        yield bytes(MIB)

    thread = threading.Thread(target=copy)
    try:
        assert upload(hypervisor, POOL, NewImage("small.raw"), while_it_is_copied()).size == 2 * MIB
    finally:
        thread.join()
