# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding out where the running guests of a host are reached, and what else only they can tell.

A guest that has just begun is asked every second, one that stays without an address ever less often, and one that has
one now and then, for it may get another. It is asked at once when its guest agent comes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import structlog
from tortoise.transactions import in_transaction

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.reach import Reach, reach
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError, HostUnreachable
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import disk_gib
from hostler.database import rows
from hostler.events.record import Kind, record_vms
from hostler.hosts.connection import HostConnection, Lane
from hostler.hosts.models import Server
from hostler.machines.models import Machine, MachineStatus

log = structlog.get_logger(__name__)

_AGENTS_SECONDS = 10.0  # for all agents of one round; those that were not asked by then are in the next
_KNOWN_SECONDS = 300.0
_HANGING_SECONDS = 60.0
# how often one without an address is asked, by how long it has been without one
_PAUSES = ((60.0, 1.0), (300.0, 5.0), (float("inf"), 60.0))

_RUNNING = (
    "SELECT uuid, ip_address, disk_gb, network_type FROM vm WHERE server_id = ? AND status = 'running' ORDER BY id"
)


@dataclass(slots=True)
class _Asked:
    """When a guest began to be asked, and when it is asked next, in the seconds of the monotonic clock."""

    since: float = field(default_factory=time.monotonic)
    due: float = 0.0


class AddressWatch:
    """Asks the running guests of one host."""

    def __init__(self, server: Server, host: HostConnection) -> None:
        self._server = server
        self._host = host
        self._asked: dict[str, _Asked] = {}
        self._woken = asyncio.Event()

    def note(self, uuid: str, anew: bool) -> None:
        """Have a guest asked soon: something happened to it. ``anew`` is whether it has begun anew."""
        if anew:
            self._asked.pop(uuid, None)
        elif uuid in self._asked:
            self._asked[uuid].due = 0.0
        self._woken.set()

    async def run(self) -> None:
        """Ask for as long as the host can be reached; raises `HostUnreachable`."""
        while True:
            self._woken.clear()
            try:
                pause = await self._ask_who_is_due()
            except HostUnreachable:
                raise
            except HostlerError as error:
                log.warning("addresses.unreadable", host=self._server.hostname, reason=error.message)
                pause = _HANGING_SECONDS
            await self._sleep(pause)

    async def _ask_who_is_due(self) -> float:
        """Ask those whose time has come, and answer in how many seconds the next one's comes."""
        now = time.monotonic()
        running = {row["uuid"]: row for row in await rows(_RUNNING, self._server.id)}
        self._asked = {uuid: self._asked.get(uuid) or _Asked() for uuid in running}
        due = [uuid for uuid, asked in self._asked.items() if asked.due <= now]
        if due:
            sizeless = [uuid for uuid in due if not running[uuid]["disk_gb"]]
            question = partial(reach, uuids=due, sizeless=sizeless, timeout=_AGENTS_SECONDS)
            told = await self._host.call(question, lane=Lane.WATCH)
            await self._write_down(told)
            now = time.monotonic()
            for uuid in due:
                asked = self._asked.get(uuid)
                if asked is not None:  # else it began anew meanwhile
                    wants = running[uuid]["network_type"] != "none"
                    asked.due = now + _pause(told.get(uuid), wants, now - asked.since)
        return min((asked.due for asked in self._asked.values()), default=now + _KNOWN_SECONDS) - now

    async def _write_down(self, told: Mapping[str, Reach]) -> None:
        active = [MachineStatus.RUNNING.value, MachineStatus.PAUSED.value]
        found = Machine.filter(server_id=self._server.id, uuid__in=list(told), status__in=active)
        changed = [(row, columns) for row in await found if (columns := _learn(row, told[row.uuid]))]
        if changed:
            async with in_transaction():
                for row, columns in changed:
                    await row.save(update_fields=[*columns, "updated_at"])
                await record_vms(Kind.VM_CHANGED, [row.id for row, _ in changed])

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(seconds, 0)):
                await self._woken.wait()
        except TimeoutError:
            pass


def _pause(told: Reach | None, wants: bool, waited: float) -> float:
    if told is not None and told.hangs:
        return _HANGING_SECONDS
    if not wants or (told is not None and told.address is not None):
        return _KNOWN_SECONDS
    return next(pause for limit, pause in _PAUSES if waited < limit)


def _learn(row: Machine, told: Reach) -> list[str]:
    """Put what was told into the row, and answer the columns that are other than they were."""
    before = (row.ip_address, row.ip_source, row.disk_gb)
    if told.address is not None or not told.hangs:  # one that hangs is still where it was
        row.ip_address = told.address.address if told.address else None
        row.ip_source = told.address.source if told.address else None
    if told.disk_size is not None:
        row.disk_gb = disk_gib(told.disk_size)
    after = (row.ip_address, row.ip_source, row.disk_gb)
    names = ("ip_address", "ip_source", "disk_gb")
    return [name for name, old, new in zip(names, before, after, strict=True) if old != new]
