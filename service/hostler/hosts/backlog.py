# SPDX-License-Identifier: GPL-3.0-or-later
"""The VMs of a host that are to be looked at in their turn, a batch at a time.

While one batch is written down the next ones are already read: libvirtd works at those, we at the other. What events
have looked at meanwhile is newer than what was read ahead, which is then not written.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from hostler.hosts.connection import HostConnection
from hostler.hosts.models import Server
from hostler.hosts.precedence import Precedence
from hostler.machines.arrivals import Departures
from hostler.machines.looking import Look, Sighting, see, write
from hostler.machines.sync import BATCH

_BATCHES = 8  # in which all VMs of a large host are looked at: for each of them the whole host is listed
_AHEAD = 2  # batches that are read at once: libvirtd works at them side by side, each over a connection of its own


@dataclass(frozen=True)
class _Reading:
    """A batch that is being read; ``newer`` are the UUIDs of those in it that were looked at apart since it began."""

    sighting: asyncio.Task[Sighting]
    newer: set[str] = field(default_factory=set)


class Backlog:
    """What is still to be looked at on one host, for as long as its connection stands."""

    def __init__(
        self,
        server: Server,
        host: HostConnection,
        departures: Departures,
        precedence: Precedence,
        uuids: Collection[str],
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._server = server
        self._host = host
        self._departures = departures
        self._precedence = precedence
        self._tasks = tasks
        self._uuids = dict.fromkeys(uuids)  # in their order
        self._size = max(BATCH, -(-len(uuids) // _BATCHES))
        self._readings: deque[_Reading] = deque()

    def __bool__(self) -> bool:
        """Whether there is anything left to look at."""
        return bool(self._uuids or self._readings)

    def extend(self, uuids: Iterable[str]) -> None:
        """These are to be looked at from now on; those that wait for their turn already keep it."""
        wanted = list(uuids)
        self._uuids.update(dict.fromkeys(wanted))
        self.looked_at(wanted)

    def looked_at(self, uuids: Collection[str]) -> None:
        """These were looked at apart: what was read ahead of them is old."""
        for reading in self._readings:
            reading.newer.update(uuids)

    async def take(self) -> Look:
        """Write down the next batch, and have those after it read. Raises `HostUnreachable`."""
        self._read_ahead(_AHEAD)
        sighting = await self._readings[0].sighting
        newer = self._readings.popleft().newer
        self._read_ahead(_AHEAD)
        return await write(self._server, self._host, sighting, without=newer, departures=self._departures)

    def close(self) -> None:
        """Leave the rest."""
        for reading in self._readings:
            reading.sighting.cancel()

    def _read_ahead(self, number: int) -> None:
        """Have so many batches being read, as far as there are any."""
        while self._uuids and len(self._readings) < number:
            batch = list(itertools.islice(self._uuids, self._size))
            for uuid in batch:
                del self._uuids[uuid]
            task = self._tasks.create_task(self._see(batch), name=f"watch-backlog-{self._server.id}")
            self._readings.append(_Reading(task))

    async def _see(self, uuids: Collection[str]) -> Sighting:
        async with self._precedence.later():
            return await see(self._server, self._host, uuids)
