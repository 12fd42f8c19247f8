# SPDX-License-Identifier: GPL-3.0-or-later
"""The VMs of a host that are to be looked at in their turn, a batch at a time.

While one batch is written down the next is already read: libvirtd works at the one, we at the other. What events have
looked at meanwhile is newer than what was read ahead, which is then not written.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Iterable

from hostler.hosts.connection import HostConnection
from hostler.hosts.models import Server
from hostler.machines.arrivals import Departures
from hostler.machines.looking import Look, Sighting, see, write
from hostler.machines.sync import BATCH

_BATCHES = 5  # in which all VMs of a large host are looked at: for each of them the whole host is listed


class Backlog:
    """What is still to be looked at on one host, for as long as its connection stands."""

    def __init__(
        self,
        server: Server,
        host: HostConnection,
        departures: Departures,
        uuids: Collection[str],
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._server = server
        self._host = host
        self._departures = departures
        self._tasks = tasks
        self._uuids = deque(sorted(uuids))
        self._size = max(BATCH, -(-len(uuids) // _BATCHES))
        self._ahead: asyncio.Task[Sighting] | None = None
        self._newer: set[str] = set()

    def __bool__(self) -> bool:
        """Whether there is anything left to look at."""
        return bool(self._uuids) or self._ahead is not None

    def extend(self, uuids: Iterable[str]) -> None:
        """These are to be looked at from now on."""
        wanted = list(uuids)
        self._uuids.extend(wanted)
        self.looked_at(wanted)

    def looked_at(self, uuids: Collection[str]) -> None:
        """These were looked at apart: what was read ahead of them is old."""
        if self._ahead is not None:
            self._newer.update(uuids)

    async def take(self) -> Look:
        """Write down the next batch, and have the one after it read. Raises `HostUnreachable`."""
        reading = self._ahead or self._read()
        sighting = await reading
        newer, self._newer = self._newer, set()
        self._ahead = self._read() if self._uuids else None
        return await write(self._server, self._host, sighting, without=newer, departures=self._departures)

    def close(self) -> None:
        """Leave the rest."""
        if self._ahead is not None:
            self._ahead.cancel()

    def _read(self) -> asyncio.Task[Sighting]:
        batch = [self._uuids.popleft() for _ in range(min(self._size, len(self._uuids)))]
        reading = see(self._server, self._host, batch)
        return self._tasks.create_task(reading, name=f"watch-backlog-{self._server.id}")
