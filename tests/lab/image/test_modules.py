# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel modules are loaded after what they need."""

import lzma
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.image.modules import Modules


@pytest.fixture
def modules(tmp_path: Path) -> Modules:
    folder = tmp_path / "lib/modules/6.1.0-9-cloud-amd64"
    drivers = folder / "kernel/drivers"
    drivers.mkdir(parents=True)
    (folder / "modules.builtin").write_text("kernel/fs/ext4/ext4.ko\n")
    (drivers / "virtio_blk.ko").write_bytes(b"\0depends=virtio-ring,virtio\0")
    (drivers / "virtio-ring.ko.xz").write_bytes(lzma.compress(b"\0depends=virtio\0"))
    (drivers / "virtio.ko").write_bytes(b"\0depends=\0")
    return Modules(tmp_path)


def test_each_module_follows_what_it_needs(modules: Modules) -> None:
    assert list(modules.ordered(["virtio_blk"])) == ["virtio", "virtio_ring", "virtio_blk"]


def test_compressed_modules_are_unpacked(modules: Modules) -> None:
    assert modules.ordered(["virtio_ring"])["virtio_ring"] == b"\0depends=virtio\0"


def test_builtin_and_loaded_modules_are_left_out(modules: Modules) -> None:
    assert list(modules.ordered(["ext4", "virtio_blk"], loaded=["virtio"])) == ["virtio_ring", "virtio_blk"]


def test_unknown_module_is_an_error_that_names_the_kernel(modules: Modules) -> None:
    with pytest.raises(LabError, match=r"the kernel 6\.1\.0-9-cloud-amd64 has no module vortio"):
        modules.ordered(["vortio"])
