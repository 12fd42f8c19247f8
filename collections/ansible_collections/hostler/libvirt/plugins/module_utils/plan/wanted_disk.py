# SPDX-License-Identifier: GPL-3.0-or-later
"""One disk of a VM as it should be, apart from the VM itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Iterator, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import (
    LIBVIRT_NAME_PATTERN,
    LIBVIRT_NAME_SAYS,
    check_types,
    facts,
    field_errors,
    path_errors,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import DISK_BUSES, IMAGE_MODES

STATES = ("present", "absent")
FORMATS = ("qcow2", "raw")
CACHES = ("default", "none", "writethrough", "writeback", "directsync", "unsafe")
IO_MODES = ("default", "native", "threads", "io_uring")
DISCARDS = ("unmap", "ignore")
DELETES = ("none", "owned")

SHARED_FORMAT = "goes with format raw, or with read_only: two VMs that write would ruin a qcow2"

_MOST_NAME_BYTES = 255  # of a file, to every file system of Linux
_VOLUME = {"pattern": LIBVIRT_NAME_PATTERN, "pattern_says": LIBVIRT_NAME_SAYS}
_MOST = 2**63 - 1


@dataclass(frozen=True)
class WantedLimits:
    """I/O limits as they should be, by libvirt's names; None leaves one as it is, 0 takes it away."""

    total_bytes_sec: Optional[int] = field(default=None, metadata=facts("Bytes in all.", minimum=0, maximum=_MOST))
    read_bytes_sec: Optional[int] = field(default=None, metadata=facts("Bytes read.", minimum=0, maximum=_MOST))
    write_bytes_sec: Optional[int] = field(default=None, metadata=facts("Bytes written.", minimum=0, maximum=_MOST))
    total_iops_sec: Optional[int] = field(default=None, metadata=facts("Operations in all.", minimum=0, maximum=_MOST))
    read_iops_sec: Optional[int] = field(default=None, metadata=facts("Reads.", minimum=0, maximum=_MOST))
    write_iops_sec: Optional[int] = field(default=None, metadata=facts("Writes.", minimum=0, maximum=_MOST))


@dataclass(frozen=True)
class WantedDisk:
    """What one disk should be. It is the one at ``target``, else that of ``serial``, else that of its source.

    None leaves a setting as it is; a new disk gets what is usual.
    """

    state: str = field(default="present", metadata=facts("What the disk is to be.", choices=STATES))
    target: Optional[str] = field(
        default=None,
        metadata=facts(
            "Its name in the VM's definition.",
            pattern=r"^(vd|sd|hd|xvd)[a-z]{1,2}$",
            pattern_says="such as vdb or sda",
        ),
    )
    serial: Optional[str] = field(
        default=None,
        metadata=facts(
            "Its serial number, which the guest sees.",
            pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,19}$",
            pattern_says="1 to 20 letters, digits, dots, dashes and underscores, the first a letter or digit",
        ),
    )
    path: Optional[str] = field(default=None, metadata=facts("Its file or block device on the host.", max_length=4095))
    volume: Optional[str] = field(default=None, metadata=facts("Its volume in the pool.", **_VOLUME))
    pool: str = field(default="default", metadata=facts("The storage pool of its volume.", **_VOLUME))
    size_gb: Optional[float] = field(
        default=None, metadata=facts("Its size.", unit="GiB", exclusive_minimum=0, maximum=64 * 1024)
    )
    image: Optional[str] = field(default=None, metadata=facts("The base image of a new one.", **_VOLUME))
    image_mode: str = field(default="copy", metadata=facts("How it is made of its image.", choices=IMAGE_MODES))
    image_pool: str = field(default="default", metadata=facts("The storage pool of the base images.", **_VOLUME))
    format: Optional[str] = field(default=None, metadata=facts("Its format.", choices=FORMATS))
    bus: Optional[str] = field(default=None, metadata=facts("How it is attached.", choices=DISK_BUSES))
    cache: Optional[str] = field(default=None, metadata=facts("How the host caches it.", choices=CACHES))
    io: Optional[str] = field(default=None, metadata=facts("How the host reads and writes it.", choices=IO_MODES))
    discard: Optional[str] = field(default=None, metadata=facts("What becomes of a guest's trim.", choices=DISCARDS))
    read_only: Optional[bool] = field(default=None, metadata=facts("Whether the guest can only read it."))
    shareable: Optional[bool] = field(default=None, metadata=facts("Whether several VMs may have it."))
    limits: Optional[WantedLimits] = field(default=None, metadata=facts("Its I/O limits."))
    live: bool = field(default=False, metadata=facts("Whether that of a VM that runs may be changed."))
    delete: str = field(default="none", metadata=facts("Whether its volume is deleted with it.", choices=DELETES))
    detach_root: bool = field(default=False, metadata=facts("Whether the root disk may be detached."))
    timeout: float = field(default=60, metadata=facts("How long the guest has to let go.", unit="s", minimum=0))


def validate_disk(wanted: WantedDisk) -> WantedDisk:
    """``wanted`` if it can be; raises `InvalidSpec` with all that can't."""
    check_types(wanted)
    errors = [*field_errors(wanted), *_together_errors(wanted)]
    if errors:
        raise InvalidSpec(errors)
    return wanted


def bus_of_target(target: str) -> Optional[str]:
    """The bus that a target's name speaks of; None where it may be one of several."""
    return "virtio" if target.startswith("vd") else None


def _together_errors(wanted: WantedDisk) -> Iterator[FieldError]:
    if not (wanted.target or wanted.serial or wanted.path or wanted.volume):
        yield FieldError("target", "is required, or serial, path or volume: one of them says which disk is meant")
    if wanted.path is not None:
        yield from path_errors("path", wanted.path)
        if wanted.volume is not None:
            yield FieldError("volume", "does not go with path")
    if wanted.volume in (".", "..") or len((wanted.volume or "").encode(errors="replace")) > _MOST_NAME_BYTES:
        reason = f"must be what a file can be called: not . or .., and {_MOST_NAME_BYTES} bytes at most"
        yield FieldError("volume", reason)
    for name in ("path", "volume"):
        if wanted.image is not None and getattr(wanted, name) is not None:
            yield FieldError(
                "image", f"does not go with {name}: a disk that is made of an image gets a volume of its own"
            )
    if wanted.shareable and wanted.format == "qcow2" and not wanted.read_only:
        yield FieldError("shareable", SHARED_FORMAT)
    raw = wanted.format == "raw" or (wanted.shareable and not wanted.read_only)
    if wanted.image is not None and wanted.image_mode == "backing" and raw:
        yield FieldError("image_mode", "copy it has to be for a raw disk, which can't be an overlay")
    prefix = (wanted.target or "")[:2]
    if wanted.bus is not None and prefix in ("vd", "sd") and (wanted.bus == "virtio") != (prefix == "vd"):
        yield FieldError("target", f"is no name of a disk on {wanted.bus}: vda is virtio's, sda that of the others")
