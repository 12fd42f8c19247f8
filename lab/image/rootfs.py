# SPDX-License-Identifier: GPL-3.0-or-later
"""Lay out the guest's initramfs and its root file system as plain folders."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from lab.commands import run
from lab.errors import LabError
from lab.image.modules import TO_FIND_THE_ROOT, TO_RUN, Modules
from lab.image.recipe import FOLDER

PROGRAMS = ("qemu-ga", "dropbear", "dropbearkey")

LOADER = "ld-linux-x86-64.so.2"
"""The C library's program loader, at the fixed place that programs name."""

_IN_SBIN = frozenset({"acpid", "getty", "halt", "init", "insmod", "poweroff", "reboot", "switch_root", "udhcpc"})

_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "etc/group": "root:x:0:\n",
    "etc/shadow": "root::19000:0:99999:7:::\n",
    "etc/shells": "/bin/sh\n",
    "etc/hostname": "guest\n",
    "etc/hosts": "127.0.0.1 localhost\n",
}

_FOLDERS = (
    "bin", "dev", "etc/dropbear", "home", "lib64", "lib/modules", "lib/x86_64-linux-gnu", "mnt", "proc", "root",
    "run", "sbin", "sys", "tmp", "usr/bin", "usr/sbin", "var/lib/guest", "var/log",
)  # fmt: skip


def lay_initramfs(packages: Path, target: Path) -> None:
    """Fill `target` with what finds the root file system; `packages` are the unpacked packages."""
    for name in ("bin", "dev", "proc", "sys", "root", "modules"):
        (target / name).mkdir(parents=True)
    shutil.copy2(_find(packages, "busybox"), target / "bin")
    shutil.copy2(FOLDER / "initramfs/init", target)
    (target / "init").chmod(0o755)
    _write_modules(Modules(packages).ordered(TO_FIND_THE_ROOT), target / "modules")


def lay_root(packages: Path, target: Path) -> None:
    """Fill `target` with the guest's root file system; `packages` are the unpacked packages."""
    for name in _FOLDERS:
        (target / name).mkdir(parents=True)
    modules = Modules(packages)
    already = modules.ordered(TO_FIND_THE_ROOT)
    _write_modules(modules.ordered(TO_RUN, loaded=already), target / "lib/modules")
    _link_busybox(_find(packages, "busybox"), target)
    for program in PROGRAMS:
        shutil.copy2(_find(packages, program), target / "usr/sbin")
    _copy_libraries(packages, target)
    for name, content in _FILES.items():
        (target / name).write_text(content)
    (target / "etc/os-release").write_text(
        f'ID=hostler-tiny\nNAME="Hostler tiny guest"\nPRETTY_NAME="Hostler tiny guest (Linux {modules.release})"\n'
        'VERSION_ID="1"\n'
    )
    shutil.copytree(FOLDER / "rootfs", target, dirs_exist_ok=True)
    for script in [file for file in target.rglob("*") if file.is_file() and not file.is_symlink()]:
        if script.read_bytes().startswith(b"#!"):
            script.chmod(0o755)


def _write_modules(modules: Mapping[str, bytes], folder: Path) -> None:
    """Write the modules, and a file ``order`` with one name a line: the order to load them in."""
    for name, content in modules.items():
        (folder / f"{name}.ko").write_bytes(content)
    (folder / "order").write_text("".join(f"{name}\n" for name in modules))


def _link_busybox(busybox: Path, target: Path) -> None:
    shutil.copy2(busybox, target / "bin/busybox")
    for applet in run(busybox, "--list").split():
        if applet in _IN_SBIN:
            (target / "sbin" / applet).symlink_to("../bin/busybox")
        elif applet != "busybox":
            (target / "bin" / applet).symlink_to("busybox")


def _copy_libraries(packages: Path, target: Path) -> None:
    """Copy the program loader and every library that the programs need, and that those need."""
    shutil.copy2(_find(packages, LOADER), target / "lib64")
    folder = target / "lib/x86_64-linux-gnu"
    waiting = [target / "usr/sbin" / program for program in PROGRAMS]
    while waiting:
        for name in re.findall(r"^\s+NEEDED\s+(\S+)$", run("objdump", "-p", waiting.pop()), re.MULTILINE):
            if name != LOADER and not (folder / name).exists():
                shutil.copy2(_find(packages, name), folder / name)
                waiting.append(folder / name)


def _find(packages: Path, name: str) -> Path:
    """Find a program or library among the unpacked packages, its links followed."""
    for file in sorted(packages.glob(f"**/{name}")):
        if file.is_file() and not file.match("*/share/*"):
            return file.resolve()
    raise LabError(f"none of the image's packages has a file {name}")
