# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel modules that the guest loads, in an order in which each finds what it needs."""

import lzma
import re
from collections.abc import Iterable
from pathlib import Path

from lab.errors import LabError

TO_FIND_THE_ROOT = ("virtio_pci", "virtio_blk", "virtio_scsi", "sd_mod", "ata_piix", "ext4")
"""What the initramfs loads: the disk's bus, and the file system."""

TO_RUN = (
    "virtio_net", "virtio_console", "virtio_rng", "virtio_balloon", "evdev", "button",
    "sr_mod", "isofs", "vfat", "nls_cp437", "nls_ascii", "virtiofs",
)  # fmt: skip
"""What the root file system loads: network, agent's port, power button, seed on a CD-ROM or a FAT disk."""


class Modules:
    """The modules of one kernel package, unpacked at `root`."""

    def __init__(self, root: Path):
        (self._folder,) = (folder for folder in root.glob("**/lib/modules/*") if folder.is_dir())
        self._files = {_name(file): file for file in (self._folder / "kernel").rglob("*.ko*")}
        builtin = (self._folder / "modules.builtin").read_text().split()
        self._builtin = {_name(Path(line)) for line in builtin}

    @property
    def release(self) -> str:
        """The kernel's release, as ``uname -r`` answers it."""
        return self._folder.name

    def ordered(self, wanted: Iterable[str], loaded: Iterable[str] = ()) -> dict[str, bytes]:
        """Answer names and contents of the `wanted` modules and all they need, none before what it needs.

        What is built into the kernel, or stands in `loaded`, is left out. Raises LabError for a module that the kernel
        does not have.
        """
        contents: dict[str, bytes] = {}

        def add(name: str) -> None:
            if name in contents or name in loaded or name in self._builtin:
                return
            if name not in self._files:
                raise LabError(f"the kernel {self.release} has no module {name}")
            content = _content(self._files[name])
            for needed in _depends(content):
                add(needed)
            contents[name] = content

        for name in wanted:
            add(name)
        return contents


def _name(file: Path) -> str:
    return file.name.split(".ko")[0].replace("-", "_")


def _content(file: Path) -> bytes:
    return lzma.decompress(file.read_bytes()) if file.suffix == ".xz" else file.read_bytes()


def _depends(module: bytes) -> list[str]:
    """Read the ``depends=`` line of a module's .modinfo section: modules that must be loaded before it."""
    match = re.search(rb"\0depends=([^\0]*)\0", module)
    return [name.replace("-", "_") for name in match[1].decode().split(",") if name] if match else []
