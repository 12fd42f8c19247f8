# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache of built images."""

from pathlib import Path

from lab.image.build import forget_old

NEW, OLD = "0123456789abcdef", "fedcba9876543210"


def test_images_of_recipes_of_the_past_are_deleted_and_nothing_else(tmp_path: Path) -> None:
    kept = {f"tiny-{NEW}.qcow2", f"tiny-{NEW}.vmlinuz", f"tiny-{NEW}.log", f"debian-{OLD}.qcow2", "tiny-packages.json"}
    for name in kept | {f"tiny-{OLD}.qcow2", f"tiny-{OLD}.initrd", f"tiny-{OLD}.log"}:
        (tmp_path / name).touch()

    forget_old(tmp_path, "tiny", kept=NEW)

    assert {file.name for file in tmp_path.iterdir()} == kept
