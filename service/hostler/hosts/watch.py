# SPDX-License-Identifier: GPL-3.0-or-later
"""Watching the hosts: who is watched is in the database, and noticed here; how one is watched is its lookout's."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime

import structlog

from hostler.database import DatabaseUnavailable, rows
from hostler.hosts.connection import HostConnections
from hostler.hosts.lookout import Clock, Lookout, Pace
from hostler.hosts.models import Server, ServerState
from hostler.hosts.sight import mark_disabled, note_seen
from hostler.machines.arrivals import Departures

log = structlog.get_logger(__name__)

# a fleet's rows, every other second: the ORM would take a hundred times as long for them
_SERVERS = "SELECT id, libvirt_uri, enabled, state FROM server"
_ROLL_CALL_SECONDS = 2.0
_NOTE_SEEN_SECONDS = 60.0  # one statement for all hosts


class HostWatch:
    """The lookouts of all enabled servers; those that are added, changed or disabled elsewhere are noticed."""

    def __init__(self, connections: HostConnections, clock: Clock) -> None:
        self._connections = connections
        self._clock = clock
        self._pace = Pace()
        self._departures = Departures()
        self._lookouts: dict[int, Lookout] = {}
        self._roll_call: asyncio.Task[None] | None = None
        self._noted_seen = time.monotonic()

    async def start(self) -> None:
        """Watch every enabled server from now on."""
        await self.call_roll()
        self._roll_call = asyncio.create_task(self._keep_calling(), name="watch-roll-call")

    async def call_roll(self) -> None:
        """Watch the servers that are enabled now, at the URIs that they have now, and no others."""
        found = await rows(_SERVERS)
        watched = {int(row["id"]): str(row["libvirt_uri"]) for row in found if row["enabled"]}
        ended = []
        for server_id, lookout in list(self._lookouts.items()):
            if watched.get(server_id) != lookout.uri or lookout.task.done():
                ended.append(self._lookouts.pop(server_id))
                ended[-1].task.cancel()
                self._connections.forget(server_id)
        # it might still write down what it saw
        await asyncio.gather(*(lookout.task for lookout in ended), return_exceptions=True)
        seen = {lookout.server_id: lookout.seen for lookout in ended}
        off = [row["id"] for row in found if not row["enabled"] and row["state"] != ServerState.UNKNOWN.value]
        for server in await Server.filter(id__in=off, enabled=False) if off else ():
            await mark_disabled(server, seen.get(server.id))
        new = watched.keys() - self._lookouts.keys()
        for server in await Server.filter(id__in=list(new), enabled=True).order_by("id") if new else ():
            if server.id not in self._lookouts:  # by another call meanwhile
                self._lookouts[server.id] = Lookout(
                    server, self._connections, self._clock, self._pace, self._departures
                )

    def look_at(self, server_id: int, uuid: str) -> None:
        """Have a VM looked at soon: something was done to it."""
        lookout = self._lookouts.get(server_id)
        if lookout is not None:
            lookout.note(uuid)

    def last_seen(self) -> dict[int, datetime]:
        """When each server was last known to be as the database says, by their ids, UTC; without those that never were.

        The database has it once a minute only.
        """
        seen = {server_id: lookout.seen for server_id, lookout in self._lookouts.items()}
        return {server_id: moment for server_id, moment in seen.items() if moment is not None}

    async def close(self) -> None:
        """Watch nothing any more."""
        tasks = [lookout.task for lookout in self._lookouts.values()]
        if self._roll_call is not None:
            tasks.append(self._roll_call)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            await self._note_seen()
        except DatabaseUnavailable as error:
            log.warning("hosts.not_noted_as_seen", reason=str(error))
        self._lookouts.clear()

    async def _keep_calling(self) -> None:
        while True:
            await asyncio.sleep(_ROLL_CALL_SECONDS)
            try:
                await self.call_roll()
                if self._noted_seen + _NOTE_SEEN_SECONDS <= time.monotonic():
                    await self._note_seen()
            except DatabaseUnavailable as error:
                log.warning("hosts.roll_call_failed", reason=str(error))
            except Exception:
                log.exception("hosts.roll_call_failed")

    async def _note_seen(self) -> None:
        self._noted_seen = time.monotonic()
        await note_seen([server_id for server_id, lookout in self._lookouts.items() if lookout.is_in_sight])
