# SPDX-License-Identifier: GPL-3.0-or-later
"""What a create may ask of the choice of its server, and how the choice is shown."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import BeforeValidator, Field

from ansible_collections.hostler.libvirt.plugins.module_utils.spec import TAG_PATTERN
from hostler.bodies import RequestBody, ResponseBody
from hostler.placement.choice import Candidate, Choice
from hostler.tags import Tag

MOST_SHOWN = 50
"""The most servers that are shown beside the chosen one: a fleet has hundreds, and the job keeps what is shown."""

LARGEST_ID = 2**31 - 1

_MOST = 64

_TAG = re.compile(TAG_PATTERN)


def _is_peer(value: object) -> object:
    # one sentence, under the field's own name: of a union's two halves pydantic tells each, under names of its own
    is_id = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LARGEST_ID
    if not is_id and not (isinstance(value, str) and _TAG.fullmatch(value)):
        raise ValueError("it should be a VM's id or a tag")
    return value


VmId = Annotated[int, Field(ge=1, le=LARGEST_ID, strict=True)]
Peer = Annotated[VmId | Tag, BeforeValidator(_is_peer)]
Peers = Annotated[list[Peer], Field(default_factory=list, max_length=_MOST)]
Tags = Annotated[list[Tag], Field(default_factory=list, max_length=_MOST)]


class PlacementBody(RequestBody):
    """What a VM without a named server asks of its server; VMs are named by id, or by a tag that they bear."""

    tags: Annotated[Tags, Field(description="Tags that the server has to have, all of them.")]
    avoid_tags: Annotated[Tags, Field(description="Tags of which the server may have none.")]
    near: Annotated[
        Peers, Field(description="VMs to be on one server with: each that an id names, and one that bears each tag.")
    ]
    apart_from: Annotated[
        Peers, Field(description="VMs not to be on one server with: an id names one, a tag all that bear it.")
    ]


class ServerNamed(ResponseBody):
    """A server, by its id and its name."""

    id: int
    hostname: str

    @classmethod
    def of(cls, candidate: Candidate) -> Self:
        """The server that was a candidate."""
        return cls(id=candidate.id, hostname=candidate.hostname)


class RoomLeft(ResponseBody):
    """What the server has left to promise with the VM there: vCPUs, MiB of memory, GiB of its pool of disks."""

    cpu_cores: int
    memory_mb: int
    disk_gb: float


class PassedOverShown(ResponseBody):
    """A server that was not chosen, and why: the VM does not fit there, or there is less room."""

    server: ServerNamed
    fits: bool
    reason: str


class PlacementShown(ResponseBody):
    """Which server was chosen for a VM, why, and why none of the others was."""

    server: ServerNamed
    reason: str
    room_left: RoomLeft
    passed_over: list[PassedOverShown] = Field(description=f"The other servers by their ids, {MOST_SHOWN} at most")
    more: int = Field(description="How many further ones there were")

    @classmethod
    def of(cls, choice: Choice) -> Self:
        """A choice that has found a server."""
        assert choice.chosen is not None  # noqa: S101 - the caller has looked
        assert choice.left is not None  # noqa: S101 - the one comes with the other
        cpu_cores, memory_mb, disk_gb = choice.left
        return cls(
            server=ServerNamed.of(choice.chosen),
            reason=choice.reason,
            room_left=RoomLeft(cpu_cores=cpu_cores, memory_mb=memory_mb, disk_gb=round(disk_gb, 3)),
            passed_over=[
                PassedOverShown(server=ServerNamed.of(one.candidate), fits=one.fits, reason=one.reason)
                for one in choice.passed_over[:MOST_SHOWN]
            ],
            more=max(len(choice.passed_over) - MOST_SHOWN, 0),
        )
