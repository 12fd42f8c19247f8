# SPDX-License-Identifier: GPL-3.0-or-later
"""One volume of a storage pool as it should be, whoever uses it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import (
    LIBVIRT_NAME_PATTERN,
    LIBVIRT_NAME_SAYS,
    check_types,
    facts,
    field_errors,
)

STATES = ("present", "absent")
FORMATS = ("qcow2", "raw")
SOURCE_MODES = ("copy", "backing")
PREALLOCATIONS = ("none", "metadata", "full")

_MOST_NAME_BYTES = 255  # of a file, to every file system of Linux
_NAME: Dict[str, Any] = {
    "pattern": LIBVIRT_NAME_PATTERN,
    "pattern_says": LIBVIRT_NAME_SAYS,
}


@dataclass(frozen=True)
class WantedVolume:
    """What a volume should be. What says how a new one is made counts for nothing where it is there already."""

    name: str = field(metadata=facts("What it is called.", **_NAME))
    pool: str = field(default="default", metadata=facts("Its storage pool.", **_NAME))
    state: str = field(default="present", metadata=facts("What it is to be.", choices=STATES))
    size_gb: Optional[float] = field(
        default=None, metadata=facts("Its virtual size.", unit="GiB", exclusive_minimum=0, maximum=64 * 1024)
    )
    format: Optional[str] = field(default=None, metadata=facts("Its format.", choices=FORMATS))
    source: Optional[str] = field(default=None, metadata=facts("The volume that a new one is made of.", **_NAME))
    source_pool: Optional[str] = field(default=None, metadata=facts("The storage pool of that one.", **_NAME))
    source_mode: str = field(default="copy", metadata=facts("How it is made of it.", choices=SOURCE_MODES))
    trust_source: bool = False
    preallocation: str = field(default="none", metadata=facts("What is set aside at once.", choices=PREALLOCATIONS))
    allow_shrink: bool = False
    wipe: bool = False
    timeout: float = field(default=600, metadata=facts("How long each step may take.", unit="s", minimum=1))


def validate_volume(wanted: WantedVolume) -> WantedVolume:
    """``wanted`` if it can be; raises `InvalidSpec` with all that can't."""
    check_types(wanted)
    errors = [*field_errors(wanted), *_together_errors(wanted)]
    if errors:
        raise InvalidSpec(errors)
    return wanted


def _together_errors(wanted: WantedVolume) -> Iterator[FieldError]:
    if wanted.name in (".", "..") or len(wanted.name.encode(errors="replace")) > _MOST_NAME_BYTES:
        yield FieldError(
            "name", f"must be what a file can be called: not . or .., and {_MOST_NAME_BYTES} bytes at most"
        )
    if wanted.wipe and wanted.state != "absent":
        yield FieldError("wipe", "goes with state absent only")
    if wanted.allow_shrink and wanted.size_gb is None:
        yield FieldError("allow_shrink", "goes with size_gb only")
    if wanted.source is None:
        for name in ("source_pool", "trust_source"):
            if getattr(wanted, name):
                yield FieldError(name, "goes with source only")
        if wanted.source_mode == "backing":
            yield FieldError("source_mode", "goes with source only")
    elif (wanted.source, wanted.source_pool or wanted.pool) == (wanted.name, wanted.pool):
        yield FieldError("source", "is the volume itself")
    if wanted.source is not None and wanted.preallocation != "none":
        yield FieldError("preallocation", "does not go with source, which has what it has")
    if wanted.source_mode == "backing" and wanted.format == "raw":
        yield FieldError("format", "must be qcow2 with source_mode backing")
    if wanted.preallocation == "metadata" and wanted.format == "raw":
        yield FieldError("preallocation", "metadata goes with format qcow2 only")
