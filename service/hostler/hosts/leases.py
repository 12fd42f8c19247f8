# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts this service watches, where several work on one PostgreSQL: taking them, and giving back.

A lease is one's own until another service has taken it, which it may only from one that is dead. So what is written in
its name asks for it in the same transaction (`hostler.database.fence`), and taking waits for nobody who holds it.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from hostler.database import rows
from hostler.database.queries import Query
from hostler.hosts.share import share_of
from hostler.jobs.ledger import PROCESS
from hostler.services.presence import Presence

log = structlog.get_logger(__name__)

_SETTLED_SECONDS = 4.0
"""How long the services have to be the same before one gives hosts to another: one may come and go."""

_SERVERS = (
    "SELECT server.id, libvirt_uri, enabled, state, host_lease.server_id AS lease, owner"
    " FROM server LEFT JOIN host_lease ON host_lease.server_id = server.id ORDER BY server.id"
)
_SERVICES = "SELECT name, watches FROM service_process WHERE expires_at > clock_timestamp()"
_MAKE = (
    "INSERT INTO host_lease (server_id) SELECT id FROM server"
    " WHERE NOT EXISTS (SELECT 1 FROM host_lease WHERE server_id = server.id) ON CONFLICT DO NOTHING"
)
_SWEEP = "DELETE FROM host_lease WHERE NOT EXISTS (SELECT 1 FROM server WHERE id = host_lease.server_id)"
# the dead are named: whoever has come since then is not among them, and its leases stay its own
_TAKE = """
UPDATE host_lease SET owner = ?, taken_at = clock_timestamp() WHERE server_id IN (
    SELECT server_id FROM host_lease
    WHERE (owner IS NULL OR owner = ANY(?)) AND server_id = ANY(?)
    ORDER BY server_id LIMIT ? FOR UPDATE SKIP LOCKED
) AND EXISTS (SELECT 1 FROM service_process WHERE name = ? AND expires_at > clock_timestamp())
RETURNING server_id
"""
_FREE = "UPDATE host_lease SET owner = NULL WHERE server_id = ANY(?) AND owner = ANY(?)"
_FREE_ALL = "UPDATE host_lease SET owner = NULL WHERE owner = ?"
_CONDITION = "SELECT 1 FROM host_lease WHERE server_id = ? AND owner = ? FOR SHARE"
_HELD = "SELECT server_id FROM host_lease WHERE server_id = ANY(?) AND owner = ? FOR SHARE"


@dataclass(frozen=True)
class Roll:
    """The servers as the roll call found them."""

    servers: Sequence[Any]
    """Rows: ``id``, ``libvirt_uri``, ``enabled``, ``state``."""
    mine: Collection[int]
    """Those that this service has to watch, by id."""
    elsewhere: Collection[int] = ()
    """Those that another one that is alive watches."""
    surplus: Collection[int] = ()
    """Those that this one holds, and should not watch any more: `HostLeases.give_back`, once it does not."""
    alive: Collection[str] = ()
    """The services that are alive."""


class HostLeases:
    """Those of one service."""

    def __init__(self, presence: Presence) -> None:
        self._presence = presence
        self._services: frozenset[str] = frozenset()
        self._services_since = time.monotonic()

    async def call_roll(self) -> Roll:
        """Take hosts that nobody watches, up to this service's share; what is more than that is not among its own."""
        servers = await rows(_SERVERS)
        services = {str(row["name"]): bool(row["watches"]) for row in await rows(_SERVICES)}
        await self._keep_rows(servers)
        enabled = [row for row in servers if row["enabled"]]
        mine = [int(row["id"]) for row in enabled if row["owner"] == PROCESS]
        dead = {str(row["owner"]) for row in servers if row["owner"] is not None} - services.keys()
        is_settled = self._is_settled(services)
        if services.get(PROCESS):
            share = self._share(enabled, services)
            if len(mine) < share:
                mine += await self._take(enabled, dead, share - len(mine))
            elif is_settled:
                mine = mine[:share]
        off = [int(row["id"]) for row in servers if not row["enabled"] and row["owner"] in dead]
        if off:
            await rows(_FREE, off, list(dead))
        alive = services.keys() - {PROCESS}
        elsewhere = {int(row["id"]) for row in servers if row["owner"] in alive} - set(mine)
        surplus = {int(row["id"]) for row in servers if row["owner"] == PROCESS} - set(mine)
        return Roll(servers, mine, elsewhere, surplus, services.keys())

    async def give_back(self, ids: Collection[int]) -> None:
        """Let others watch these hosts, of which nothing is written here any more."""
        if ids:
            await rows(_FREE, list(ids), [PROCESS])
            await rows(_SWEEP)
            self._presence.tell("roll")

    async def give_all_back(self) -> None:
        """Let others watch all hosts; this service takes none any more."""
        await self._presence.watch_no_more()
        await rows(_FREE_ALL, PROCESS)
        self._presence.tell("roll")

    def condition(self, server_id: int) -> Query:
        """What holds for as long as the server is this service's to watch."""
        return _CONDITION, (server_id, PROCESS)

    async def held(self, ids: Collection[int]) -> Collection[int]:
        """Those of these hosts that are this service's to watch; in a transaction they stay so until its end."""
        return [int(row["server_id"]) for row in await rows(_HELD, list(ids), PROCESS)]

    async def _keep_rows(self, servers: Sequence[Any]) -> None:
        if any(row["lease"] is None for row in servers):
            await rows(_MAKE)

    def _share(self, enabled: Sequence[Any], services: dict[str, bool]) -> int:
        held = {name: 0 for name, watches in services.items() if watches}
        for row in enabled:
            if row["owner"] in held:
                held[row["owner"]] += 1
        return share_of(PROCESS, held, len(enabled))

    def _is_settled(self, services: dict[str, bool]) -> bool:
        names = frozenset(name for name, watches in services.items() if watches)
        if names != self._services:
            log.info("services.alive", number=len(names))
            self._services, self._services_since = names, time.monotonic()
        return time.monotonic() - self._services_since >= _SETTLED_SECONDS

    async def _take(self, enabled: Sequence[Any], dead: Collection[str], number: int) -> list[int]:
        given_up = list(dead) if self._presence.is_back else []
        free = [int(row["id"]) for row in enabled if row["owner"] is None or row["owner"] in given_up]
        if not free:
            return []
        taken = [int(row["server_id"]) for row in await rows(_TAKE, PROCESS, given_up, free, number, PROCESS)]
        if taken:
            log.info("hosts.taken", servers=sorted(taken))
        return taken
