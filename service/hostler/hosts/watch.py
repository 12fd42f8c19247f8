# SPDX-License-Identifier: GPL-3.0-or-later
"""Watching the hosts: who is watched is in the database, and noticed here; how one is watched is its lookout's.

Where several services work on one database each watches its share (`hostler.hosts.leases`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from datetime import datetime

import structlog
from tortoise.transactions import in_transaction

from hostler.database import DatabaseUnavailable, rows
from hostler.hosts.connection import HostConnections
from hostler.hosts.leases import HostLeases, Roll
from hostler.hosts.lookout import ON_THE_WAY_SECONDS, Lookout, Shared
from hostler.hosts.models import Server, ServerState
from hostler.hosts.rereading import Clock
from hostler.hosts.sight import mark_disabled, note_seen
from hostler.machines.arrivals import Departures
from hostler.services.alive import alive_processes
from hostler.services.presence import Presence, Word

log = structlog.get_logger(__name__)

# a fleet's rows, every other second: the ORM would take a hundred times as long for them
_SERVERS = "SELECT id, libvirt_uri, enabled, state FROM server"
_AT_WORK = "SELECT DISTINCT server_id, lease_owner FROM job WHERE state = 'running' AND server_id IS NOT NULL"
_ROLL_CALL_SECONDS = 2.0
_NOTE_SEEN_SECONDS = 60.0  # one statement for all hosts


class HostWatch:
    """The lookouts of all enabled servers; those that are added, changed or disabled elsewhere are noticed.

    With a ``presence``, beside other services, it is those of its share.
    """

    def __init__(self, connections: HostConnections, clock: Clock, presence: Presence | None = None) -> None:
        self._connections = connections
        self._shared = Shared(connections, clock)
        self._presence = presence
        self._leases = None if presence is None else HostLeases(presence)
        self._lookouts: dict[int, Lookout] = {}
        self._calling = asyncio.Lock()
        self._called = asyncio.Event()
        self._elsewhere: Collection[int] = ()
        self._roll_call: asyncio.Task[None] | None = None
        self._noted_seen = time.monotonic()
        if presence is not None:
            presence.listen(self._hear, self._be_back)

    async def start(self) -> None:
        """Watch every enabled server from now on."""
        await self.call_roll()
        self._roll_call = asyncio.create_task(self._keep_calling(), name="watch-roll-call")

    async def call_roll(self) -> None:
        """Watch the servers that are enabled now, at the URIs that they have now, and no others."""
        async with self._calling:
            roll = await self._roll()
            self._elsewhere = roll.elsewhere
            mine = set(roll.mine)
            uris = {int(row["id"]): str(row["libvirt_uri"]) for row in roll.servers if row["enabled"]}
            ended = []
            for server_id, lookout in list(self._lookouts.items()):
                if server_id not in mine or uris.get(server_id) != lookout.uri or lookout.task.done():
                    ended.append(self._lookouts.pop(server_id))
                    ended[-1].task.cancel()
                    if self._leases is None or uris.get(server_id) != lookout.uri:
                        self._connections.forget(server_id)
                    else:  # jobs of this service may still be at work there
                        self._connections.let_go(server_id)
            # it might still write down what it saw
            await asyncio.gather(*(lookout.task for lookout in ended), return_exceptions=True)
            seen = {lookout.server_id: lookout.seen for lookout in ended}
            for server in await self._newly_disabled(roll):
                await mark_disabled(server, seen.get(server.id))
            if self._leases is not None:
                await self._leases.give_back({*roll.surplus, *(seen.keys() - mine)})
                await self._heed_others(roll)
            new = mine & uris.keys() - self._lookouts.keys()
            for server in await Server.filter(id__in=list(new), enabled=True).order_by("id") if new else ():
                self._lookouts[server.id] = self._lookout(server)

    async def servers_changed(self) -> None:
        """Take note of what was done to the servers, here and wherever else they are watched."""
        if self._presence is not None:
            self._presence.tell("roll")
        await self.call_roll()

    def look_at(self, server_id: int, uuid: str) -> None:
        """Have a VM looked at soon, by whoever watches its host: something was done to it."""
        lookout = self._lookouts.get(server_id)
        if lookout is not None:
            lookout.note(uuid)
        elif self._presence is not None:
            self._presence.tell("look", server_id, uuid)

    @property
    def watched(self) -> Collection[int]:
        """The ids of the servers that this service watches."""
        return self._lookouts.keys()

    @property
    def elsewhere(self) -> Collection[int]:
        """The ids of the servers that another service watches."""
        return self._elsewhere

    @property
    def departures(self) -> Departures:
        """Where VMs were migrated away from that are not seen elsewhere yet, as all services tell each other."""
        return self._shared.departures

    def last_seen(self) -> dict[int, datetime]:
        """When each server was last known to be as the database says, by their ids, UTC; without those that never were.

        The database has it once a minute only.
        """
        seen = {server_id: lookout.seen for server_id, lookout in self._lookouts.items()}
        return {server_id: moment for server_id, moment in seen.items() if moment is not None}

    async def close(self) -> None:
        """Watch nothing any more; others can, at once."""
        tasks = [lookout.task for lookout in self._lookouts.values()]
        if self._roll_call is not None:
            tasks.append(self._roll_call)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            await self._note_seen()
            if self._leases is not None:
                await self._leases.give_all_back()
        except DatabaseUnavailable as error:
            log.warning("hosts.not_noted_as_seen", reason=str(error))
        self._lookouts.clear()

    async def _roll(self) -> Roll:
        if self._leases is not None:
            return await self._leases.call_roll()
        found = await rows(_SERVERS)
        return Roll(found, [int(row["id"]) for row in found if row["enabled"]])

    def _lookout(self, server: Server) -> Lookout:
        if self._leases is None or self._presence is None:
            return Lookout(server, self._shared)
        return Lookout(server, self._shared, self._leases.condition(server.id), self._presence.tell)

    async def _newly_disabled(self, roll: Roll) -> list[Server]:
        off = [
            int(row["id"])
            for row in roll.servers
            if not row["enabled"] and row["state"] != ServerState.UNKNOWN.value and row["id"] not in roll.elsewhere
        ]
        return await Server.filter(id__in=off, enabled=False) if off else []

    async def _heed_others(self, roll: Roll) -> None:
        """What others watch is away when they say so; what the dead have left is put right on the hosts of this one."""
        for row in roll.servers:
            known = None if row["id"] in self._lookouts else self._connections.known(row["id"])
            if known is not None and not row["enabled"]:
                self._connections.forget(row["id"])
            elif known is not None:
                known.be_away(row["state"] == ServerState.UNREACHABLE.value)
        at_work = await rows(_AT_WORK)
        alive = await alive_processes() if at_work else ()
        for row in at_work:
            if row["lease_owner"] not in alive and row["server_id"] in self._lookouts:
                self._lookouts[row["server_id"]].recover_soon()

    def _hear(self, word: Word) -> None:
        match word:
            case ["roll"]:
                self._called.set()
            case ["look", int(server_id), str(uuid)]:
                if server_id in self._lookouts:
                    self._lookouts[server_id].note(uuid)
            case ["left", int(server_id), str(uuid)]:
                self._shared.departures.left[uuid] = server_id
                # whoever saw it leave waits no longer either
                asyncio.get_running_loop().call_later(
                    ON_THE_WAY_SECONDS, self._shared.departures.forget, [uuid], server_id
                )
            case ["stayed", int(server_id), str(uuid)]:
                self._shared.departures.forget([uuid], server_id)
            case ["roll" | "look" | "left" | "stayed", *_]:
                log.warning("hosts.word_unreadable", word=word[0])
            case _:
                pass  # meant for others here, or a newer service's

    def _be_back(self) -> None:
        self._called.set()
        for lookout in self._lookouts.values():
            lookout.compare_soon()

    async def _keep_calling(self) -> None:
        while True:
            await self._sleep(_ROLL_CALL_SECONDS)
            try:
                await self.call_roll()
                if self._noted_seen + _NOTE_SEEN_SECONDS <= time.monotonic():
                    await self._note_seen()
            except DatabaseUnavailable as error:
                log.warning("hosts.roll_call_failed", reason=str(error))
            except Exception:
                log.exception("hosts.roll_call_failed")

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._called.wait()
        except TimeoutError:
            return
        self._called.clear()

    async def _note_seen(self) -> None:
        self._noted_seen = time.monotonic()
        in_sight = [server_id for server_id, lookout in self._lookouts.items() if lookout.is_in_sight]
        if self._leases is None:
            await note_seen(in_sight)
        elif in_sight:
            async with in_transaction():
                await note_seen(await self._leases.held(in_sight))
