# SPDX-License-Identifier: GPL-3.0-or-later
"""An image is named by all that it is made of."""

from pathlib import Path

import pytest

from lab.errors import LabError
from lab.image.packages import Package
from lab.image.recipe import recipe_hash

BUSYBOX = Package("busybox-static", "busybox-static_1%3a1.35.0-4_amd64.deb", "0" * 64)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "image"
    (folder / "rootfs").mkdir(parents=True)
    (folder / "rootfs/script").write_text("#!/bin/sh\n")
    return folder


def test_same_recipe_has_the_same_hash(folder: Path) -> None:
    assert recipe_hash([BUSYBOX], folder, []) == recipe_hash([BUSYBOX], folder, [])


def test_files_content_mode_and_name_count(folder: Path) -> None:
    seen = {recipe_hash([BUSYBOX], folder, [])}
    script = folder / "rootfs/script"
    script.write_text("#!/bin/sh\ntrue\n")
    seen.add(recipe_hash([BUSYBOX], folder, []))
    script.chmod(0o755)
    seen.add(recipe_hash([BUSYBOX], folder, []))
    script.rename(folder / "rootfs/other")
    seen.add(recipe_hash([BUSYBOX], folder, []))
    assert len(seen) == 4


def test_package_version_and_boot_loader_count(folder: Path, tmp_path: Path) -> None:
    loader = tmp_path / "loader"
    loader.write_bytes(b"1")
    first = recipe_hash([BUSYBOX], folder, [loader])
    newer = Package(BUSYBOX.name, "busybox-static_1%3a1.36.0-1_amd64.deb", BUSYBOX.sha256)
    assert recipe_hash([newer], folder, [loader]) != first
    loader.write_bytes(b"2")
    assert recipe_hash([BUSYBOX], folder, [loader]) != first


def test_compiled_python_does_not_count(folder: Path) -> None:
    first = recipe_hash([BUSYBOX], folder, [])
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__/build.pyc").write_bytes(b"")
    assert recipe_hash([BUSYBOX], folder, []) == first


def test_missing_boot_loader_is_an_error_that_says_what_to_install(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="absent is missing: install the packages"):
        recipe_hash([BUSYBOX], folder, [tmp_path / "absent"])
