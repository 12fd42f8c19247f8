# SPDX-License-Identifier: GPL-3.0-or-later
"""The choice itself: pure, from what is known of every server to the one that a VM goes to, and why not the others.

A server is refused for one reason, the first that holds. Of those that are left the one is taken whose scarcest
resource (memory, vCPUs, space in the pool of disks) has the largest share left once the VM is there, so that VMs
spread: docs/decisions/placement.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from hostler.hosts.models import ServerState


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is known of a server: capacities as they were last seen, promises as the database has them now.

    ``cpu_promised`` and ``memory_promised_mb`` are the sums over all of its VMs, running or not. ``disk_promised_gb``
    is of disks that are in the making, or were made since ``disk_free_gb`` was seen. ``images`` holds those that the
    wish asks for, as far as the server has them, and what each wants of a disk in GiB.
    """

    id: int
    hostname: str
    pool: str = "default"
    tags: frozenset[str] = frozenset()
    enabled: bool = True
    draining: bool = False
    state: str = ServerState.REACHABLE.value
    cpu_total: int | None = None
    memory_total_mb: int | None = None
    disk_total_gb: float | None = None
    disk_free_gb: float | None = None
    cpu_overcommit: float = 1.0
    memory_overcommit: float = 1.0
    cpu_promised: int = 0
    memory_promised_mb: int = 0
    disk_promised_gb: float = 0.0
    images: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Companion:
    """VMs that another is to be near to, or apart from: in words, and the ids of the servers that they are on."""

    words: str
    servers: frozenset[int]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a VM asks of its server. ``disks`` are each one's GiB, with the image that it is made from, if any."""

    cpu_cores: int
    memory_mb: int
    disks: Sequence[tuple[float, str | None]] = ()
    tags: frozenset[str] = frozenset()
    avoid_tags: frozenset[str] = frozenset()
    near: Sequence[Companion] = ()
    apart_from: Sequence[Companion] = ()

    @property
    def disk_gb(self) -> float:
        """What all of its disks come to, in GiB."""
        return sum(size for size, _ in self.disks)


class Left(NamedTuple):
    """What a server has left to promise: vCPUs, MiB of memory, GiB of its pool of disks."""

    cpu_cores: int
    memory_mb: int
    disk_gb: float


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A server that the VM does not go to; one that it ``fits`` has less left than the one that it goes to."""

    candidate: Candidate
    fits: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Choice:
    """The server that a VM goes to, why, and what that has left with it; the others in the order of their ids."""

    chosen: Candidate | None
    reason: str
    left: Left | None
    passed_over: tuple[PassedOver, ...]


def choose(
    wish: Wish,
    candidates: Iterable[Candidate],
    known: Mapping[int, str] | None = None,
    preferred: int | None = None,
) -> Choice:
    """Choose among the candidates, the same one for the same facts in whatever order they come; none may fit.

    ``known`` are reasons against servers, by their ids, that came up when they were asked. The server with the id
    ``preferred`` is taken if it fits, whatever room the others have.
    """
    ordered = sorted(candidates, key=lambda candidate: candidate.id)
    against = {one.id: (known or {}).get(one.id) or reason_against(wish, one) for one in ordered}
    fitting = [one for one in ordered if against[one.id] is None]
    best = max(fitting, key=lambda one: (one.id == preferred, *_rank(wish, one)), default=None)
    others = tuple(
        PassedOver(one, fits=reason is None, reason=f"fits: {_scarcest(wish, one)}" if reason is None else reason)
        for one in ordered
        if one is not best
        for reason in [against[one.id]]
    )
    if best is None:
        return Choice(None, "no server fits", None, others)
    words = "the only one that fits" if len(fitting) == 1 else "the most room"
    return Choice(best, f"{words}: {_scarcest(wish, best)}", left_with(wish, best), others)


def reason_against(wish: Wish, candidate: Candidate) -> str | None:
    """Why the VM can't go there, in words that follow the server's name; None if it can."""
    for reason in (_of_state(candidate), _of_wish(wish, candidate), _of_images(wish, candidate)):
        if reason is not None:
            return reason
    return _of_room(wish, candidate)


def left_with(wish: Wish, candidate: Candidate) -> Left:
    """What the server would have left to promise with the VM on it; below nothing where it does not fit."""
    return Left(
        _cpus(candidate) - candidate.cpu_promised - wish.cpu_cores,
        _memory_mb(candidate) - candidate.memory_promised_mb - wish.memory_mb,
        (candidate.disk_free_gb or 0.0) - candidate.disk_promised_gb - wish.disk_gb,
    )


def _of_state(candidate: Candidate) -> str | None:
    if not candidate.enabled:
        return "is disabled"
    if candidate.draining:
        return "is draining"
    if candidate.state == ServerState.UNREACHABLE.value:
        return "is unreachable"
    if candidate.state != ServerState.REACHABLE.value:
        return "has not been reached yet"
    return None


def _of_wish(wish: Wish, candidate: Candidate) -> str | None:
    if missing := sorted(wish.tags - candidate.tags):
        return f"lacks the tag {_quoted(missing)}"
    if unwanted := sorted(wish.avoid_tags & candidate.tags):
        return f"has the tag {_quoted(unwanted)}"
    for companion in wish.near:
        if candidate.id not in companion.servers:
            return f"does not have {companion.words}"
    for companion in wish.apart_from:
        if candidate.id in companion.servers:
            return f"has {companion.words}"
    return None


def _of_images(wish: Wish, candidate: Candidate) -> str | None:
    for size, image in wish.disks:
        if image is None:
            continue
        if image not in candidate.images:
            return f"does not have the image '{image}'"
        if size < candidate.images[image]:
            return f"has an image '{image}' of {candidate.images[image]:g} GiB, more than the disk's {size:g} GiB"
    return None


def _of_room(wish: Wish, candidate: Candidate) -> str | None:
    if candidate.cpu_total is None or candidate.memory_total_mb is None:
        return "has not said yet what it has"
    if wish.cpu_cores > candidate.cpu_total:
        return f"has {candidate.cpu_total} CPUs, and the VM wants {wish.cpu_cores}"
    before = left_with(Wish(0, 0), candidate)
    if before.cpu_cores < wish.cpu_cores:
        return f"has {max(before.cpu_cores, 0)} of {_cpus(candidate)} vCPUs left, and the VM wants {wish.cpu_cores}"
    if before.memory_mb < wish.memory_mb:
        return (
            f"has {max(before.memory_mb, 0)} of {_memory_mb(candidate)} MiB of memory left, "
            f"and the VM wants {wish.memory_mb} MiB"
        )
    if candidate.disk_free_gb is None or candidate.disk_total_gb is None:
        return f"has no storage pool '{candidate.pool}' that can be read"
    if before.disk_gb < wish.disk_gb:
        return (
            f"has {max(before.disk_gb, 0.0):.3g} GiB left in its pool '{candidate.pool}', "
            f"and the VM's disks want {wish.disk_gb:.3g} GiB"
        )
    return None


def _shares(wish: Wish, candidate: Candidate) -> dict[str, float]:
    left = left_with(wish, candidate)
    return {
        "memory": left.memory_mb / max(_memory_mb(candidate), 1),
        "vCPUs": left.cpu_cores / max(_cpus(candidate), 1),
        f"pool '{candidate.pool}'": left.disk_gb / max(candidate.disk_total_gb or 0.0, 1e-9),
    }


def _rank(wish: Wish, candidate: Candidate) -> tuple[float, int, int]:
    return min(_shares(wish, candidate).values()), left_with(wish, candidate).memory_mb, -candidate.id


def _scarcest(wish: Wish, candidate: Candidate) -> str:
    shares = _shares(wish, candidate)
    name = min(shares, key=lambda one: shares[one])
    return f"{shares[name]:.0%} of its {name} would be left".replace("%", " %")


def _cpus(candidate: Candidate) -> int:
    return int((candidate.cpu_total or 0) * candidate.cpu_overcommit)


def _memory_mb(candidate: Candidate) -> int:
    return int((candidate.memory_total_mb or 0) * candidate.memory_overcommit)


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
