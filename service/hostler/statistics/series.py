# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of the last day as series for graphs: from the database and this process's memory, without a host."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hostler.errors import FieldProblem, InvalidRequest
from hostler.statistics.clock import Statistics
from hostler.statistics.figures import Figures
from hostler.statistics.host import Newest
from hostler.statistics.resolution import HOUR, kept_seconds, resolution_for, slot
from hostler.statistics.round import HOST, Round, average_and_highest
from hostler.statistics.store import rounds_since

_DIGITS = 2
_PRECISION = 4
"""Digits of a figure that was stored: a `Round` holds no more."""
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
        return [None if value is None else float(f"{value:.{_PRECISION}g}") for value in found]


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
        "now": use_now(await statistics.shown_now(server_id), vm_id),
    }


async def statistics_of_server(statistics: Statistics, server_id: int, span: Span) -> dict[str, Any]:
    """The same of a server, and its ``pools``."""
    rounds = await _rounds(statistics, server_id, span)
    newest = await statistics.shown_now(server_id)
    return {
        "since": datetime.fromtimestamp(span.since, UTC),
        "resolution": span.resolution,
        "series": await asyncio.to_thread(_series, rounds, HOST, span),
        "pools": {
            name: {
                "free_gb": span.spread({one.at: _gib(one.pools[name].available) for one in rounds if name in one.pools})
            }
            for name in sorted({name for one in rounds for name in one.pools})
        },
        "now": None if newest is None else _server_now(newest),
    }


def use_now(newest: Newest | None, vm_id: int) -> dict[str, Any] | None:
    """What a VM uses at present, small enough for a list of them; None if it does not run, or nobody knows."""
    figures = None if newest is None else newest.figures.get(vm_id)
    if newest is None or figures is None:
        return None
    shown = {name: None if value is None else round(value, _DIGITS) for name, value in figures._asdict().items()}
    return {"at": datetime.fromtimestamp(newest.at, UTC), **shown}


def _server_now(newest: Newest) -> dict[str, Any]:
    pools = {
        name: {"capacity_gb": _gib(space.capacity), "free_gb": _gib(space.available)}
        for name, space in newest.pools.items()
    }
    vms = len(newest.figures.keys() - {HOST})
    return {**(use_now(newest, HOST) or {}), "vms": vms, "pools": pools}


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


def _gib(size: int) -> float:
    return round(size / _GIB, _DIGITS)
