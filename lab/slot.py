# SPDX-License-Identifier: GPL-3.0-or-later
"""The share of the machine's ports that a lab has to itself: which of the labs that stand side by side it is.

Libvirt leaves out the ports that somebody holds, but two that look at the same moment take the same one. So each lab
has a number, for as long as it has a folder: a file of that number says whose it is.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from lab.errors import LabError
from lab.layout import LabLayout

LABS_APART = 40
_OF_ROOT = range(30)
_OF_USERS = range(30, LABS_APART)
"""Of all users: those of two may be the same, for none of them may look into the other's folders."""


def slot_of(lab: LabLayout, claims: Path | None = None) -> int:
    """The lab's number, the same at each call; a free one at the first. Raises LabError if there is none."""
    known = claims or Path("/run/hostler-slots" if lab.privileged else f"/tmp/hostler-slots-{lab.uid}")  # noqa: S108
    slots = _OF_ROOT if lab.privileged else _OF_USERS
    with _alone(known):
        owners = {slot: _owner(known / str(slot)) for slot in slots}
        mine = [slot for slot, owner in owners.items() if owner == lab.folder]
        free = [slot for slot, owner in owners.items() if owner is None or not owner.exists()]
        for slot in (*mine, *free):
            (known / str(slot)).write_text(str(lab.folder))
            return slot
    raise LabError(f"{len(slots)} labs stand on this machine, and there is room for no more: see {known}")


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise LabError(f"{folder} is somebody else's")
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _owner(file: Path) -> Path | None:
    try:
        return Path(file.read_text())
    except FileNotFoundError:
        return None
