# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of the last day as series for graphs: from the database and this process's memory, without a host."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.pool import PoolSpace
from hostler.errors import FieldProblem, InvalidRequest
from hostler.statistics.clock import Statistics
from hostler.statistics.figures import Figures
from hostler.statistics.resolution import HOUR, kept_seconds, resolution_for, slot
from hostler.statistics.round import HOST, Round, average_and_highest
from hostler.statistics.store import rounds_since

_DIGITS = 2
_GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Span:
    """Which times are asked for: ``count`` of ``resolution`` seconds each, from ``since`` on (seconds since 1970)."""

    since: int
    resolution: int
    count: int

    def spread(self, values: Mapping[int, float | None]) -> list[float | None]:
        """The values in the order of their times, None where there is none."""
        found = (values.get(self.since + index * self.resolution) for index in range(self.count))
        return [None if value is None else round(value, _DIGITS) for value in found]


def span_of(statistics: Statistics, since: datetime | None, resolution: int | None) -> Span:
    """Which times are meant: an hour's unless it says, in the finest resolution that is kept for as long.

    It begins no earlier than figures are kept; raises `InvalidRequest` for a resolution that is not kept.
    """
    now = time.time()
    kept = statistics.resolutions
    begin = now - HOUR if since is None else min(since.timestamp(), now)
    if resolution is None:
        resolution = resolution_for(int(now - begin), kept)
    elif resolution not in kept:
        says = f"it should be one of {', '.join(map(str, kept))}"
        raise InvalidRequest(f"'resolution': {says}", errors=[FieldProblem("resolution", says)])
    first = slot(max(begin, now - kept_seconds(resolution)), resolution)
    return Span(first, resolution, (slot(now, resolution) - first) // resolution + 1)


async def statistics_of_vm(statistics: Statistics, server_id: int, vm_id: int, span: Span) -> dict[str, Any]:
    """``since``, ``resolution``, ``series`` and ``now`` of a VM on that server."""
    rounds = await _rounds(statistics, server_id, span)
    return {
        "since": datetime.fromtimestamp(span.since, UTC),
        "resolution": span.resolution,
        "series": await asyncio.to_thread(_series, rounds, vm_id, span),
        "now": use_now(statistics, server_id, vm_id),
    }


async def statistics_of_server(statistics: Statistics, server_id: int, span: Span) -> dict[str, Any]:
    """The same of a server, and its ``pools``."""
    rounds = await _rounds(statistics, server_id, span)
    now = use_now(statistics, server_id, HOST)
    newest = statistics.now(server_id)
    if now is not None and newest is not None:
        now["vms"] = len(newest.ids) - 1
        now["pools"] = {
            name: {"capacity_gb": _gib(space.capacity), "free_gb": _gib(space.available)}
            for name, space in newest.pools.items()
        }
    return {
        "since": datetime.fromtimestamp(span.since, UTC),
        "resolution": span.resolution,
        "series": await asyncio.to_thread(_series, rounds, HOST, span),
        "pools": {
            name: {"free_gb": span.spread(_over_time(rounds, name, lambda space: _gib(space.available)))}
            for name in sorted({name for one in rounds for name in one.pools})
        },
        "now": now,
    }


def use_now(statistics: Statistics, server_id: int, identity: int) -> dict[str, Any] | None:
    """What a VM, or with `HOST` the server itself, uses at present; None if that is not known. Nobody is asked."""
    newest = statistics.now(server_id)
    figures = [] if newest is None else newest.figures(identity)
    if newest is None or not figures:
        return None
    shown = {name: _rounded(value) for name, value in zip(Figures._fields, figures, strict=True)}
    return {"at": datetime.fromtimestamp(newest.at, UTC), **shown}


async def _rounds(statistics: Statistics, server_id: int, span: Span) -> Sequence[Round]:
    # first those in memory: what is written down meanwhile is in both, rather than in neither
    unwritten = statistics.unwritten(server_id) if span.resolution == statistics.reading_seconds else []
    return [*await rounds_since(server_id, span.resolution, span.since), *unwritten]


def _series(rounds: Sequence[Round], identity: int, span: Span) -> dict[str, dict[str, list[float | None]]]:
    found = {one.at: average_and_highest(one.figures(identity)) for one in rounds}
    return {
        name: {
            "average": span.spread({at: average[column] for at, (average, _) in found.items()}),
            "highest": span.spread({at: highest[column] for at, (_, highest) in found.items()}),
        }
        for column, name in enumerate(Figures._fields)
    }


def _over_time(rounds: Sequence[Round], pool: str, figure: Callable[[PoolSpace], float]) -> dict[int, float | None]:
    return {one.at: figure(one.pools[pool]) for one in rounds if pool in one.pools}


def _gib(size: int) -> float:
    return round(size / _GIB, _DIGITS)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)
