# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of an image so that it is as it should be, without touching anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import NameTaken, WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.operation import Operation
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan, Step
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_image import WantedImage


@dataclass(frozen=True)
class DiscardImage(Operation):
    """Take away what an upload that was cut off has left."""

    pool: str
    name: str


@dataclass(frozen=True)
class RemoveImage(Operation):
    """Delete an image that nobody needs."""

    pool: str
    name: str


@dataclass(frozen=True)
class PutImage(Operation):
    """Bring an image; with ``replaces`` in place of the one that has its name. ``digest``: its checksum, if known."""

    pool: str
    name: str
    replaces: bool
    algorithm: str
    digest: Optional[str]


@dataclass(frozen=True)
class FoundImage:
    """What has the image's name. ``user`` needs it, for people; ``same``: it is what is wanted."""

    user: Optional[str] = None
    unfinished: bool = False
    same: bool = False


@dataclass(frozen=True)
class Coming:
    """What would be brought, as far as that is known beforehand; ``size`` in bytes."""

    format: str
    size: Optional[int]
    digest: Optional[str]


def plan_absent(found: Optional[FoundImage], wanted: WantedImage) -> Plan:
    """The steps that take it away. Raises `WrongState` for one that somebody needs, or that is still coming."""
    if found is None:
        return Plan()
    before = {"name": wanted.name, "pool": wanted.pool}
    if found.unfinished:
        require_no_upload(found, wanted)
        return Plan((_discarding(wanted),), before, {})
    _require_unused(found, wanted)
    title = f"Delete image '{wanted.name}' in storage pool '{wanted.pool}'"
    return Plan((Step(title, RemoveImage(wanted.pool, wanted.name)),), before, {})


def plan_present(found: Optional[FoundImage], wanted: WantedImage, coming: Optional[Coming]) -> Plan:
    """The steps that bring it; ``coming`` is None where what is there is right. Raises as `plan_absent` does."""
    if coming is None:
        return Plan()
    steps: List[Step] = []
    replaces = found is not None and not found.unfinished
    if found is not None and found.unfinished:
        require_no_upload(found, wanted)
        steps.append(_discarding(wanted))
    elif found is not None:
        _require_unused(found, wanted)
    operation = PutImage(wanted.pool, wanted.name, replaces, wanted.algorithm, coming.digest)
    verb = "Replace" if replaces else "Bring"
    steps.append(Step(f"{verb} image '{wanted.name}' in storage pool '{wanted.pool}'", operation))
    after: Dict[str, Any] = {
        "name": wanted.name,
        "pool": wanted.pool,
        "source": wanted.source.shown,
        "format": coming.format,
        "size": coming.size,
    }
    if coming.digest is not None:
        after["checksum"] = f"{wanted.algorithm}:{coming.digest}"
    before = {"name": wanted.name, "pool": wanted.pool} if replaces else {}
    return Plan(tuple(steps), before, after)


def require_no_upload(found: FoundImage, wanted: WantedImage) -> None:
    """Raise `NameTaken` for one that is still coming, unless what was left of it may be taken away."""
    if found.unfinished and not wanted.force:
        raise NameTaken(
            f"Image '{wanted.name}' is being uploaded to this host, or an upload of it was cut off: force takes away"
            " what is there of it",
            "name",
        )


def _require_unused(found: FoundImage, wanted: WantedImage) -> None:
    if found.user is not None:
        raise WrongState(f"Image '{wanted.name}' is in use by {found.user}", "name")


def _discarding(wanted: WantedImage) -> Step:
    title = f"Take away what is there of image '{wanted.name}', which is not whole"
    return Step(title, DiscardImage(wanted.pool, wanted.name))
