# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache of built images."""

from pathlib import Path

from lab.image.build import _forget_old


def test_images_of_recipes_of_the_past_are_deleted_and_nothing_else(tmp_path: Path) -> None:
    kept = {"tiny-new.qcow2", "tiny-new.vmlinuz", "tiny-new.log", "packages.json"}
    for name in kept | {"tiny-old.qcow2", "tiny-old.initrd", "tiny-old.log"}:
        (tmp_path / name).touch()

    _forget_old(tmp_path, kept="new")

    assert {file.name for file in tmp_path.iterdir()} == kept
