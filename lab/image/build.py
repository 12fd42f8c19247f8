# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the tiny guest image, or take the one that was built before from the same recipe."""

import logging
import platform
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.cache import cache_folder, locked
from lab.commands import run
from lab.errors import LabError
from lab.image.disk import ROOT_MIB, make_disk, make_root_partition, pack_initramfs
from lab.image.packages import fetch, offered
from lab.image.recipe import recipe_hash
from lab.image.rootfs import lay_initramfs, lay_root

log = logging.getLogger("lab")


@dataclass(frozen=True)
class Image:
    """A built image: the qcow2 disk, and the kernel and initramfs on it, to be booted directly."""

    recipe: str
    qcow2: Path
    kernel: Path
    initramfs: Path


def tiny_image() -> Image:
    """Answer the image of today's recipe, built first if the cache lacks it (4 to 15 s).

    Several processes may call this at once: one builds, the others wait for it. Raises LabError where the machine is
    no x86-64 Debian, has no package lists, or lacks a program.
    """
    if platform.machine() != "x86_64":
        raise LabError(f"the guest image is for x86_64, not for {platform.machine()}")
    cache = cache_folder()
    packages = offered(cache / "packages.json")
    recipe = recipe_hash(packages)
    image = Image(
        recipe=recipe,
        qcow2=cache / f"tiny-{recipe}.qcow2",
        kernel=cache / f"tiny-{recipe}.vmlinuz",
        initramfs=cache / f"tiny-{recipe}.initrd",
    )
    if image.qcow2.exists():
        return image
    debs = cache / "packages"
    debs.mkdir(exist_ok=True)
    with locked(debs):
        if not image.qcow2.exists():
            fetch(packages, debs)
            with (
                logged(cache / f"tiny-{recipe}.log", "the guest image"),
                tempfile.TemporaryDirectory(prefix="build-", dir=cache) as work,
            ):
                _build(image, [debs / package.filename for package in packages], Path(work))
            forget_old(cache, "tiny", kept=image.recipe)
    return image


def forget_old(cache: Path, name: str, kept: str) -> None:
    """Delete what was built from recipes of the past; the hosts that use it have copies of their own."""
    for file in cache.glob(f"{name}-*.*"):
        recipe = file.stem.removeprefix(f"{name}-")
        if re.fullmatch("[0-9a-f]{16}", recipe) and recipe != kept:
            file.unlink(missing_ok=True)


@contextmanager
def logged(file: Path, what: str) -> Iterator[None]:
    """Say that `what` is built, write the commands and what they printed into the file, and name it in an error."""
    log.info("building %s", what)
    handler = logging.FileHandler(file, mode="w")
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    try:
        yield
    except LabError as error:
        raise LabError(f"{what} can't be built: {error}; the log is {file}") from None
    finally:
        log.setLevel(level)
        log.removeHandler(handler)
        handler.close()


def _build(image: Image, debs: list[Path], work: Path) -> None:
    """Build in the folder `work`. The disk is moved into the cache last: where it stands, the rest does too."""
    unpacked = work / "packages"
    for deb in debs:
        run("dpkg-deb", "--extract", deb, unpacked)
    lay_initramfs(unpacked, work / "initramfs")
    lay_root(unpacked, work / "root")
    (kernel,) = unpacked.glob("boot/vmlinuz-*")
    initramfs = work / "initrd"
    pack_initramfs(work / "initramfs", initramfs)
    root = work / "root.ext4"
    make_root_partition(work / "root", root, ROOT_MIB)
    disk = make_disk(kernel, initramfs, root, work)
    initramfs.replace(image.initramfs)
    kernel.replace(image.kernel)
    disk.replace(image.qcow2)
