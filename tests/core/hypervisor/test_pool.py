# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools and volumes, on a real host: what is made is what was asked for, and an image stays what it was."""

import hashlib
import json
import os
import threading
import uuid as uuids
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    NameTaken,
    NotEnoughSpace,
    PoolNotFound,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.pool import Pool
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.volume import Volume
from lab.commands import run
from lab.host import Host
from tests.core.machines import GIB, MIB

pytestmark = pytest.mark.lab


@pytest.fixture
def pool(hypervisor: Hypervisor) -> Pool:
    return hypervisor.pool("default")


@pytest.fixture
def image(hypervisor: Hypervisor) -> Volume:
    found = hypervisor.pool("images").find_volume("tiny.qcow2")
    assert found is not None
    return found


def new_name() -> str:
    return f"pool-{uuids.uuid4().hex[:8]}.qcow2"


def qemu_img(path: str) -> dict[str, object]:
    """What qemu-img says of a file, another witness than libvirt."""
    found: dict[str, object] = json.loads(run("qemu-img", "info", "--output=json", path))
    return found


def test_a_pool_says_what_it_is(pool: Pool, lab_host: Host) -> None:
    assert pool.type_and_path() == ["dir", str(lab_host.layout.pools["default"])]
    assert pool.require_active() is pool
    space = pool.space()
    assert space.capacity >= space.available > 0


def test_a_pool_that_is_not_active_is_as_good_as_none(hypervisor: Hypervisor, lab_host: Host, tmp_path: Path) -> None:
    lab_host.virsh("pool-define-as", "asleep", "dir", "--target", str(tmp_path))
    try:
        with pytest.raises(PoolNotFound, match="'asleep' is not active"):
            hypervisor.pool("asleep").require_active()
        assert "asleep" not in [pool.name for pool in hypervisor.pools()]
    finally:
        lab_host.virsh("pool-undefine", "asleep")


def test_a_blank_volume(pool: Pool) -> None:
    volume = pool.create_volume(new_name(), 3 * GIB, "qcow2")

    facts = volume.facts()
    assert (facts.name, facts.path, facts.format, facts.capacity) == (volume.name, volume.path, "qcow2", 3 * GIB)
    assert facts.backing_path is None
    assert facts.allocation < MIB
    assert qemu_img(volume.path)["virtual-size"] == 3 * GIB


def test_an_overlay_names_its_image_and_the_images_format(pool: Pool, image: Volume) -> None:
    volume = pool.create_volume(new_name(), GIB, "qcow2", backing=image.facts())

    assert volume.facts().backing_path == image.path
    told = qemu_img(volume.path)
    assert (told["backing-filename"], told["backing-filename-format"]) == (image.path, "qcow2")
    assert told["virtual-size"] == GIB


def test_a_raw_images_overlay_believes_nothing_that_the_image_holds(pool: Pool) -> None:
    """A raw disk that begins like a qcow2 would, if probed, make QEMU open whatever file it names."""
    raw = pool.create_volume(new_name().replace(".qcow2", ".raw"), MIB, "raw")
    overlay = pool.create_volume(new_name(), MIB, "qcow2", backing=raw.facts())

    assert qemu_img(overlay.path)["backing-filename-format"] == "raw"


def test_a_copy_depends_on_nothing_and_leaves_its_source_alone(pool: Pool, image: Volume) -> None:
    before = hashlib.sha256(Path(image.path).read_bytes()).hexdigest()

    volume = pool.copy_volume(new_name(), GIB, "qcow2", image)

    assert "backing-filename" not in qemu_img(volume.path)
    assert volume.facts().backing_path is None
    assert run("qemu-img", "compare", image.path, volume.path)
    assert hashlib.sha256(Path(image.path).read_bytes()).hexdigest() == before


def test_a_volume_grows(pool: Pool) -> None:
    volume = pool.create_volume(new_name(), GIB, "qcow2")

    volume.grow(2 * GIB + MIB)

    assert volume.facts().capacity == 2 * GIB + MIB
    assert qemu_img(volume.path)["virtual-size"] == 2 * GIB + MIB


@pytest.mark.parametrize("size", [0, 1, 65536, 5 * MIB + 17])
def test_what_is_uploaded_is_what_is_there(pool: Pool, size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    volume = pool.create_volume(new_name().replace(".qcow2", ".iso"), max(size, 1), "raw")

    volume.upload(content[:size])

    assert Path(volume.path).read_bytes() == (content[:size] or b"\0")


def test_a_name_that_is_taken_is_refused(pool: Pool) -> None:
    volume = pool.create_volume(new_name(), MIB, "qcow2")

    with pytest.raises(NameTaken):
        pool.create_volume(volume.name, MIB, "qcow2")
    assert qemu_img(volume.path)["virtual-size"] == MIB


def test_a_file_that_the_pool_does_not_know_of_is_never_overwritten(pool: Pool, lab_host: Host) -> None:
    path = lab_host.layout.pools["default"] / new_name()
    path.write_text("precious")
    try:
        for kind in ("raw", "qcow2"):
            with pytest.raises(HostlerError):
                pool.create_volume(path.name, MIB, kind)
        assert path.read_text() == "precious"
    finally:
        path.unlink()
        pool.refresh()


@pytest.mark.parametrize("name", ["../escape.qcow2", "a/b.qcow2", "/etc/escape", "..", "."])
def test_a_volume_never_lies_outside_of_its_pool(pool: Pool, name: str) -> None:
    with pytest.raises(HostlerError):
        pool.create_volume(name, MIB, "qcow2")


def test_a_name_is_never_markup(pool: Pool, hypervisor: Hypervisor) -> None:
    volume = pool.create_volume("</name><name>x & \"y' {{ z }}.qcow2".replace("/", ""), MIB, "qcow2")

    assert pool.find_volume(volume.name) is not None
    assert hypervisor.find_volume_at(volume.path) is not None
    assert volume.facts().name == volume.name


def test_no_space_is_said_as_such(pool: Pool) -> None:
    with pytest.raises(NotEnoughSpace):
        pool.create_volume(new_name().replace(".qcow2", ".raw"), pool.space().available + GIB, "raw")


def test_a_volume_that_is_deleted_is_gone(pool: Pool, hypervisor: Hypervisor) -> None:
    volume = pool.create_volume(new_name(), MIB, "qcow2")

    volume.delete()

    assert pool.find_volume(volume.name) is None
    assert hypervisor.find_volume_at(volume.path) is None
    assert not Path(volume.path).exists()
    with pytest.raises(HostlerError):
        volume.facts()


def test_what_is_written_in_pieces_is_what_is_there(pool: Pool) -> None:
    content = bytes(range(256)) * 8192
    volume = pool.create_volume(new_name().replace(".qcow2", ".raw"), 0, "raw")

    volume.write([content[:1], b"", content[1 : MIB + 5], content[MIB + 5 :]])

    assert Path(volume.path).read_bytes() == content
    assert volume.facts().capacity == len(content)


def test_what_the_pieces_raise_ends_the_writing_and_the_volume_can_be_deleted(pool: Pool) -> None:
    def cut_off() -> Iterator[bytes]:
        yield bytes(MIB)
        raise ZeroDivisionError

    volume = pool.create_volume(new_name().replace(".qcow2", ".raw"), 0, "raw")

    with pytest.raises(ZeroDivisionError):
        volume.write(cut_off())

    volume.delete()
    assert not Path(volume.path).exists()


def test_a_file_whose_name_is_no_text_hides_no_volume(pool: Pool, lab_host: Host) -> None:
    volume = pool.create_volume(new_name(), MIB, "qcow2")
    odd = lab_host.layout.pools["default"] / os.fsdecode(b"\xff.qcow2")
    odd.write_bytes(bytes(512))
    try:
        pool.refresh()
        assert [one.name for one in pool.volumes()] == [volume.name] == pool.volume_names()
    finally:
        odd.unlink()
        pool.refresh()


def test_a_pool_that_was_out_of_reach_for_a_moment_is_active_again(pool: Pool, lab_host: Host) -> None:
    """libvirt stops a pool that it can't look into, and would leave it so."""
    folder = lab_host.layout.pools["default"]
    aside = folder.with_name("set-aside")
    folder.rename(aside)
    back = threading.Timer(0.5, aside.rename, [folder])
    back.start()
    try:
        pool.refresh_if_idle()
    finally:
        back.join()

    assert pool.require_active() is pool


def test_an_overlay_of_an_iso_can_be_opened(pool: Pool) -> None:
    """libvirt calls it iso, for which QEMU has no driver."""
    disc = pool.create_volume(new_name().replace(".qcow2", ".iso"), 0, "raw")
    disc.write([bytes(32769), b"CD001", bytes(2048)])
    pool.refresh()
    facts = disc.facts()
    assert facts.format == "iso"

    overlay = pool.create_volume(new_name(), MIB, "qcow2", backing=facts)

    assert qemu_img(overlay.path)["backing-filename-format"] == "raw"


def test_what_is_read_piece_by_piece_is_written_elsewhere_with_its_holes(pool: Pool, lab_host: Host) -> None:
    """A sparse file of a disk stays one: only what was written is sent."""
    megabyte = 1024**2
    names = [new_name(), new_name()]
    original, copy = (pool.create_volume(name, 0, "raw") for name in names)
    original.fill([b"begin" * 1000, 64 * megabyte - 5000, b"end", 3])

    pieces = list(original.content())
    copy.fill(pieces)

    pool.refresh()
    facts, seen = original.facts(), copy.facts()
    assert facts.length == seen.length == 64 * megabyte + 6
    assert seen.allocation < megabyte
    assert sum(len(piece) for piece in pieces if isinstance(piece, bytes)) < megabyte
    folder = lab_host.layout.pools["default"]
    assert (folder / names[1]).read_bytes() == (folder / names[0]).read_bytes()


def test_pieces_that_end_early_leave_a_volume_that_can_be_deleted(pool: Pool) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"x" * 100_000
        raise ValueError("no more")

    volume = pool.create_volume(new_name(), 0, "raw")
    with pytest.raises(ValueError, match="no more"):
        volume.fill(pieces())
    volume.fill([b"x" * 100_000])
    assert next(volume.content())  # left where it is
    volume.delete()
