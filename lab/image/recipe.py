# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image is made of, and the hash that names it."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from lab.errors import LabError
from lab.image.packages import Package

FOLDER = Path(__file__).resolve().parent

MASTER_BOOT_RECORD = Path("/usr/lib/SYSLINUX/mbr.bin")
SYSLINUX = Path("/usr/bin/syslinux")
SYSTEMD_BOOT = Path("/usr/lib/systemd/boot/efi/systemd-bootx64.efi")
BOOT_LOADERS = (MASTER_BOOT_RECORD, SYSLINUX, SYSTEMD_BOOT)
"""Installed on this machine, not downloaded: the packages syslinux and systemd-boot-efi."""


def recipe_hash(packages: Iterable[Package], folder: Path = FOLDER, installed: Iterable[Path] = BOOT_LOADERS) -> str:
    """Answer 16 hex digits that change with the packages, with a file of `folder` and with the boot loaders.

    Raises LabError where a boot loader is not installed.
    """
    digest = hashlib.sha256()
    for package in packages:
        digest.update(f"{package.filename} {package.sha256}\n".encode())
    files = [file for file in sorted(folder.rglob("*")) if file.is_file() and "__pycache__" not in file.parts]
    for file in [*files, *installed]:
        try:
            content = hashlib.sha256(file.read_bytes()).hexdigest()
        except FileNotFoundError:
            raise LabError(f"{file} is missing: install the packages of apt-packages.txt (make setup)") from None
        name = file.relative_to(folder) if file in files else file
        digest.update(f"{name} {file.stat().st_mode & 0o111:o} {content}\n".encode())
    return digest.hexdigest()[:16]
