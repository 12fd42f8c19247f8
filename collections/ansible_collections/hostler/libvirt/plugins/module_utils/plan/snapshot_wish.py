# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wanted of a VM's snapshots, and what of its host matters to that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Mapping, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import facts, field_errors

STATES = ("present", "reverted", "absent")
POWERS = ("as-taken", "running", "paused")

# libvirt makes a file of it; of a new one. One that is there may be called as others liked
NEW_NAME = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
NEW_NAME_SAYS = "1 to 63 letters, digits, dots, dashes and underscores, the first a letter or digit"
_SERIES = "^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$"

# which options say something with one state only
_GOES_WITH = {
    "description": "present",
    "memory": "present",
    "external": "present",
    "quiesce": "present",
    "series": "present",
    "keep": "present",
    "power": "reverted",
    "force": "reverted",
    "children": "absent",
}


@dataclass(frozen=True)
class SnapshotWish:
    """What is wanted of one VM's snapshots. None leaves it open."""

    state: str = field(default="present", metadata=facts("What is wanted of it.", choices=STATES))
    snapshot: Optional[str] = field(default=None, metadata=facts("Its name.", max_length=200))
    description: Optional[str] = field(default=None, metadata=facts("What it is for.", max_length=8192))
    memory: Optional[bool] = None
    external: Optional[bool] = None
    quiesce: bool = False
    series: Optional[str] = field(
        default=None,
        metadata=facts(
            "To which series it belongs.",
            pattern=_SERIES,
            pattern_says="1 to 40 letters, digits, dots, dashes and underscores, the first a letter or digit",
        ),
    )
    keep: Optional[int] = field(default=None, metadata=facts("How many of its series stay.", minimum=1))
    power: str = field(default="as-taken", metadata=facts("What the VM is after a revert.", choices=POWERS))
    force: bool = False
    children: bool = False
    timeout: float = field(default=600, metadata=facts("How long each step may take.", unit="s", minimum=1))


_NOTHING_SAID = SnapshotWish()


@dataclass(frozen=True)
class SnapshotSurroundings:
    """What matters of the host, and of the moment.

    ``folders`` is where a file beside each disk can be, by the disk's target; None for one that has no such place.
    ``users`` says who beside the VM itself needs a file that an external snapshot is made of, by the snapshot's name.
    ``now`` is in seconds since 1970, ``token`` what makes the names of files new ones.
    """

    now: int
    token: str
    folders: Mapping[str, Optional[str]] = field(default_factory=dict)
    users: Mapping[str, str] = field(default_factory=dict)
    handles_external: bool = False  # libvirt reverts external snapshots (since 9.9)


def validate_wish(wish: SnapshotWish) -> SnapshotWish:
    """``wish`` if it can be; raises `InvalidSpec`."""
    errors = list(field_errors(wish))
    for name, state in _GOES_WITH.items():
        if getattr(wish, name) != getattr(_NOTHING_SAID, name) and wish.state != state:
            errors.append(FieldError(name, f"goes with state {state} only"))
    if wish.state in ("reverted", "absent") and not wish.snapshot:
        errors.append(FieldError("snapshot", f"is required with state {wish.state}"))
    if wish.snapshot == "":
        errors.append(FieldError("snapshot", f"must be {NEW_NAME_SAYS}"))
    if wish.keep is not None and wish.series is None:
        errors.append(FieldError("keep", "goes with series only"))
    if errors:
        raise InvalidSpec(errors)
    return wish
