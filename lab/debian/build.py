# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the Debian guest image, or take the one that was built before from the same recipe."""

import os
import platform
import pwd
import shutil
import sys
import tempfile
from pathlib import Path

from lab.cache import REPOSITORY, cache_folder, locked
from lab.commands import program, run
from lab.debian.packages import ask_apt
from lab.debian.repository import write_repository
from lab.debian.root import FOLDER
from lab.errors import LabError
from lab.image.build import Image, forget_old, logged, tiny_image
from lab.image.disk import make_disk
from lab.image.packages import fetch, offered
from lab.image.recipe import recipe_hash

BUILD_SECONDS = 1200
_SUBORDINATE_IDS = (Path("/etc/subuid"), Path("/etc/subgid"))


def debian_image() -> Image:
    """Answer the image of today's recipe, built first if the cache lacks it (one to three minutes, 2 GB of disk).

    Several processes may call this at once: one builds, the others wait for it. Raises LabError where the machine is
    no x86-64 Debian, has no package lists, lacks a program, or has no subordinate user ids for a plain user.
    """
    if platform.machine() != "x86_64":
        raise LabError(f"the guest image is for x86_64, not for {platform.machine()}")
    cache = cache_folder()
    # its kernel and its initramfs
    tiny = tiny_image()
    packages = offered(cache / "debian-packages.json", ask=ask_apt)
    recipe = recipe_hash(packages, FOLDER, installed=[tiny.qcow2])
    image = Image(recipe, cache / f"debian-{recipe}.qcow2", tiny.kernel, tiny.initramfs)
    if image.qcow2.exists():
        return image
    debs = cache / "packages"
    debs.mkdir(exist_ok=True)
    with locked(debs):
        if not image.qcow2.exists():
            isolated = _isolated()
            fetch(packages, debs)
            with (
                logged(cache / f"debian-{recipe}.log", "the Debian guest image"),
                tempfile.TemporaryDirectory(prefix="build-", dir=cache) as work,
            ):
                codename = platform.freedesktop_os_release()["VERSION_CODENAME"]
                write_repository([debs / package.filename for package in packages], Path(work) / "repository", codename)
                run(
                    *isolated, sys.executable, "-m", "lab.debian.root", work, codename,
                    cwd=REPOSITORY, timeout=BUILD_SECONDS,
                )  # fmt: skip
                root = Path(work) / "root.ext4"
                disk = make_disk(image.kernel, image.initramfs, root, Path(work), compression="zstd")
                disk.replace(image.qcow2)
            forget_old(cache, "debian", kept=image.recipe)
    return image


def _isolated() -> list[str]:
    """Answer the command before which another sees no mount of ours, and a plain user's is root of many users.

    Raises LabError where the machine does not grant that to the user.
    """
    program("mmdebstrap")
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    if os.geteuid() == 0:
        return command
    user = pwd.getpwuid(os.getuid()).pw_name
    granted = all(
        any(line.split(":")[0] in {user, str(os.getuid())} for line in file.read_text().splitlines())
        for file in _SUBORDINATE_IDS
        if file.exists()
    )
    if not granted or not shutil.which("newuidmap") or not all(file.exists() for file in _SUBORDINATE_IDS):
        raise LabError(
            f"the Debian guest image has files of many users, and {user} may be only one: as root install the package"
            f" uidmap and run: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}"
        )
    return [*command, "--map-root-user", "--map-auto"]
