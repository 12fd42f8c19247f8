# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the bootable disk from plain files: no loop device, no mount, no root.

The disk has a master boot record with two partitions: a FAT file system with both boot loaders, the kernel and the
initramfs, and an ext4 file system, the guest's root.
"""

import os
import struct
from dataclasses import dataclass
from pathlib import Path

from lab.commands import run
from lab.image.recipe import FOLDER, MASTER_BOOT_RECORD, SYSTEMD_BOOT

MIB = 1024 * 1024
SECTOR = 512
"""Bytes; all positions in the partition table are in sectors."""

BOOT_START_MIB, BOOT_MIB, ROOT_MIB = 1, 24, 24
DISK_SIGNATURE = 0x54534F48

KERNEL_ARGUMENTS = (
    "console=tty0 console=ttyS0,115200 quiet "
    # what an emulated processor is slow at, and a throwaway guest does not need
    "tsc=unstable random.trust_cpu=on mitigations=off"
)


@dataclass(frozen=True)
class Partition:
    """One entry of the partition table; start and length are in sectors."""

    kind: int
    start: int
    length: int
    active: bool = False

    def packed(self) -> bytes:
        """Answer the 16 bytes of the entry. The old cylinder addresses say 'too far, use the sectors'."""
        far = b"\xfe\xff\xff"
        return struct.pack("<B3sB3sII", 0x80 if self.active else 0, far, self.kind, far, self.start, self.length)


BOOT = Partition(kind=0xEF, start=BOOT_START_MIB * MIB // SECTOR, length=BOOT_MIB * MIB // SECTOR, active=True)


def pack_initramfs(folder: Path, target: Path) -> None:
    """Write the folder as a compressed initramfs; its files belong to root whoever calls."""
    names = "".join(f"{file.relative_to(folder)}\n" for file in sorted(folder.rglob("*")))
    packed = target.with_suffix(".cpio")
    run(
        "cpio",
        "--create",
        "--format=newc",
        "--owner=0:0",
        "--quiet",
        f"--file={packed}",
        cwd=folder,
        given=names.encode(),
    )
    run("gzip", "-9", "--no-name", packed)
    packed.with_suffix(".cpio.gz").rename(target)


def make_disk(kernel: Path, initramfs: Path, root: Path, work: Path, compression: str = "zlib") -> Path:
    """Write the disk as a qcow2 file in the folder `work` and answer its path. `root` is the root file system."""
    boot_files = work / "boot.fat"
    _make_boot_partition(kernel, initramfs, boot_files)
    root_partition = Partition(kind=0x83, start=BOOT.start + BOOT.length, length=root.stat().st_size // SECTOR)

    raw = work / "disk.raw"
    with raw.open("wb") as disk:
        disk.write(MASTER_BOOT_RECORD.read_bytes()[:440].ljust(440, b"\0"))
        disk.write(struct.pack("<IH", DISK_SIGNATURE, 0))
        disk.write((BOOT.packed() + root_partition.packed()).ljust(64, b"\0") + b"\x55\xaa")
    for partition, content in ((BOOT, boot_files), (root_partition, root)):
        # dd leaves holes where nothing is: a root file system may be large and mostly empty
        run(
            "dd",
            f"if={content}",
            f"of={raw}",
            "bs=1M",
            "conv=notrunc,sparse",
            f"seek={partition.start * SECTOR // MIB}",
        )
    # a file that ends in a hole would be too short
    os.truncate(raw, (root_partition.start + root_partition.length) * SECTOR)
    qcow2 = work / "disk.qcow2"
    options = ("-c", "-o", f"compression_type={compression}")
    run("qemu-img", "convert", *options, "-f", "raw", "-O", "qcow2", raw, qcow2, timeout=300)
    return qcow2


def _make_boot_partition(kernel: Path, initramfs: Path, image: Path) -> None:
    _allocate(image, BOOT_MIB)
    # syslinux needs to know how many sectors stand before its partition
    run("mkfs.fat", "-F", "16", "-n", "GUESTBOOT", "-h", str(BOOT.start), image)
    for folder in ("::EFI", "::EFI/BOOT", "::loader", "::loader/entries"):
        _mtools("mmd", image, folder)
    for file, name in (
        (kernel, "vmlinuz"),
        (initramfs, "initrd"),
        (SYSTEMD_BOOT, "EFI/BOOT/BOOTX64.EFI"),
        (_filled(FOLDER / "boot/syslinux.cfg", image), "syslinux.cfg"),
        (_filled(FOLDER / "boot/loader.conf", image), "loader/loader.conf"),
        (_filled(FOLDER / "boot/entry.conf", image), "loader/entries/guest.conf"),
    ):
        _mtools("mcopy", image, file, f"::{name}")
    run("syslinux", "--install", image)


def _mtools(command: str, image: Path, *arguments: str | Path) -> None:
    # the check complains about a geometry that nobody uses
    run(command, "-i", image, *arguments, environment={"MTOOLS_SKIP_CHECK": "1"})


def _filled(file: Path, beside: Path) -> Path:
    """Write a boot loader's settings with the kernel's arguments filled in, and answer the copy."""
    filled = beside.with_name(file.name)
    filled.write_text(file.read_text().replace("@KERNEL_ARGUMENTS@", KERNEL_ARGUMENTS))
    return filled


def make_root_partition(folder: Path, image: Path, mib: int) -> None:
    """Write what is in the folder as a file system of that size, by whose label the initramfs finds it."""
    _allocate(image, mib)
    # in a user namespace the caller's files count as root's, which is what the guest must see
    as_root = () if os.geteuid() == 0 else ("unshare", "--map-root-user")
    run(
        *as_root, "mke2fs", "-q", "-t", "ext4", "-L", "guestroot", "-m", "0", "-O", "^metadata_csum",
        "-E", "root_owner=0:0", "-d", folder, "-F", image, timeout=300,
    )  # fmt: skip


def _allocate(image: Path, mib: int) -> None:
    image.touch()
    os.truncate(image, mib * MIB)
