# SPDX-License-Identifier: GPL-3.0-or-later
"""Install Debian into a folder, and write that as a file system.

A program of its own, ``python -m lab.debian.root WORK CODENAME``: `lab.debian.build` runs it in namespaces, where a
plain user is root and where what it mounts is seen by nobody and gone with it. No loop device is needed.
"""

import shutil
import sys
from pathlib import Path

from lab.commands import run
from lab.debian.packages import WANTED
from lab.errors import LabError
from lab.image.disk import make_root_partition

FOLDER = Path(__file__).resolve().parent
ROOT_MIB = 1152
"""Of the guest's root file system: half of it is free, and cloud-init grows it to the disk's size."""

_LEFT_OUT = ("man", "doc", "info", "locale", "i18n")
_UNITS = ("systemd-networkd.service", "systemd-resolved.service", "serial-getty@ttyS0.service")


def main() -> None:
    """Make ``root.ext4`` in the folder WORK, from the packages of the release CODENAME in its folder ``repository``."""
    work, codename = Path(sys.argv[1]), sys.argv[2]
    root = work / "root"
    try:
        _install(work / "repository", codename, root)
        _complete(work / "repository", root)
        make_root_partition(root, work / "root.ext4", ROOT_MIB)
    except LabError as error:
        # the caller's own error is to be one
        sys.exit(str(error))
    finally:
        # outside of the namespaces a plain user could not: most of it is other users'
        shutil.rmtree(root, ignore_errors=True)


def _install(repository: Path, codename: str, root: Path) -> None:
    left_out = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _LEFT_OUT]
    run(
        "mmdebstrap", "--verbose", "--mode=root", "--variant=essential", "--format=directory",
        # sysfs belongs to the network's namespace, which stays the machine's
        "--skip=chroot/mount/sys", *left_out, f"--include={','.join(WANTED)}",
        codename, root, f"deb [trusted=yes] copy:{repository} ./",
        timeout=1000, environment={"TMPDIR": str(repository.parent)},
    )  # fmt: skip


def _complete(repository: Path, root: Path) -> None:
    """Add the kernel's modules and our settings, and take away what each guest is to have for itself."""
    (kernel,) = repository.glob("linux-image-*.deb")
    unpacked = repository.parent / "kernel"
    run("dpkg-deb", "--extract", kernel, unpacked)
    (modules,) = unpacked.glob("**/lib/modules/*")
    shutil.copytree(modules, root / "usr/lib/modules" / modules.name)
    run("chroot", root, "depmod", modules.name)
    shutil.copytree(FOLDER / "rootfs", root, dirs_exist_ok=True)
    (root / "etc/apt/sources.list").write_text("# the lab's guests are installed from no archive\n")
    (root / "etc/machine-id").write_text("")
    run("chroot", root, "systemctl", "enable", *_UNITS)
    for file in [*root.glob("etc/ssh/ssh_host_*"), *root.glob("var/lib/apt/lists/*_*"), *root.glob("var/log/*.log")]:
        file.unlink()


if __name__ == "__main__":
    main()
