# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of a VM's disks is meant."""

from __future__ import annotations

from typing import Iterator, NamedTuple, Optional, Sequence

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.drive import Drive
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.chassis import Chassis
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_disk import WantedDisk

_DISKS = ("disk", "lun")


class Found(NamedTuple):
    """The disk that is meant, as it is defined and as it runs; None on a side that has no such disk."""

    defined: Optional[Drive]
    running: Optional[Drive]

    @property
    def drive(self) -> Optional[Drive]:
        """What is known of it."""
        return self.defined or self.running


def find_disk(wanted: WantedDisk, chassis: Chassis, path: Optional[str]) -> Found:
    """The disk that is meant; ``path`` is where the source that ``wanted`` names is on the host.

    Raises `InvalidSpec` where what was said of it is true of no disk, or of several.
    """
    defined = _identified(wanted, chassis.defined_drives, path)
    running = _identified(wanted, chassis.running_drives, path)
    if defined is not None and (running is None or not _same(defined, running)):
        running = _counterpart(defined, chassis.running_drives)
    elif defined is None and running is not None:
        defined = _counterpart(running, chassis.defined_drives)
    found = Found(defined, running)
    errors = list(_identity_errors(wanted, chassis, found.drive, path))
    if errors:
        raise InvalidSpec(errors)
    return found


def _identified(wanted: WantedDisk, drives: Sequence[Drive], path: Optional[str]) -> Optional[Drive]:
    if wanted.target is not None:
        matching = [drive for drive in drives if drive.target == wanted.target]
    elif wanted.serial is not None:
        matching = [drive for drive in drives if drive.serial == wanted.serial]
    else:
        # not by its chain of files: what an overlay is built on may be meant to be attached by itself
        matching = [drive for drive in drives if path is not None and drive.path == path]
    if len(matching) > 1:
        name = "serial" if wanted.serial is not None else "path" if wanted.path is not None else "volume"
        several = ", ".join(drive.target for drive in matching)
        raise InvalidSpec([FieldError(name, f"is that of several disks ({several}): say target")])
    return matching[0] if matching else None


def _counterpart(drive: Drive, others: Sequence[Drive]) -> Optional[Drive]:
    """The same disk on the other side: at its target, and of the same files."""
    return next((other for other in others if other.target == drive.target and _same(drive, other)), None)


def _same(one: Drive, other: Drive) -> bool:
    if one.path is None or other.path is None:
        return one.path is other.path
    return one.has(other.path) or other.has(one.path)


def _identity_errors(
    wanted: WantedDisk, chassis: Chassis, drive: Optional[Drive], path: Optional[str]
) -> Iterator[FieldError]:
    named = "path" if wanted.path is not None else "volume"
    others = [one for one in (*chassis.defined_drives, *chassis.running_drives) if drive is None or one is not drive]
    for other in others:
        if path is not None and other.path == path and (drive is None or other.target != drive.target):
            yield FieldError(named, f"is disk {other.target} of this VM already")
            return
        elsewhere = other.target != (wanted.target if drive is None else drive.target)
        if wanted.state == "present" and wanted.serial is not None and other.serial == wanted.serial and elsewhere:
            yield FieldError("serial", f"is that of disk {other.target} of this VM already")
            return
    if drive is None:
        return
    if drive.device not in _DISKS:
        yield FieldError("target", f"is a {drive.device} drive, and no disk")
    if path is not None and not drive.has(path):
        yield FieldError(named, f"is not that of disk {drive.target}, which is {drive.path}: detach that first")
    if wanted.state == "absent":
        if wanted.serial is not None and drive.serial != wanted.serial:
            yield FieldError("serial", f"is not that of disk {drive.target}")
        return
    for name in ("bus", "format"):
        if getattr(wanted, name) is not None and getattr(wanted, name) != getattr(drive, name):
            yield FieldError(name, f"of disk {drive.target} is {getattr(drive, name)}: detach it, and attach it anew")
