# SPDX-License-Identifier: GPL-3.0-or-later
"""Watching one host: woken by libvirt's events, and by the clock.

The events say that something happened to a domain; what it is now is then read, and written down. The clock's bulk
comparison catches what no event told of. What needs guests to answer, or takes long, has tasks of its own, so that
nobody waits for it who only wants to know whether a VM runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import random
import time
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

import structlog

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.survey import HostFacts, host_facts, states
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError, HostTimeout, HostUnreachable
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.watching import (
    LEFT,
    STARTED,
    WATCHDOG,
    Sign,
    watching,
)
from hostler.database import DatabaseUnavailable, Fenced, fence, version_now
from hostler.database.queries import Query
from hostler.hosts.accelerator import virt_type_of
from hostler.hosts.backlog import Backlog
from hostler.hosts.connection import BULK_SECONDS, Heard, HostConnection, HostConnections, Lane
from hostler.hosts.models import Server
from hostler.hosts.pace import Pace
from hostler.hosts.precedence import Precedence
from hostler.hosts.rereading import Clock, Rereading
from hostler.hosts.sight import mark_unreachable, note_facts, read_host
from hostler.images.recovery import recover as recover_images
from hostler.images.sync import sync_images
from hostler.machines.address_watch import AddressWatch
from hostler.machines.arrivals import Departures
from hostler.machines.looking import Look, look
from hostler.machines.recovery import recover, sweep_unfinished
from hostler.machines.sync import States, adopt_states, batches, bulk_states, compare, definitions, present

log = structlog.get_logger(__name__)

E = TypeVar("E", bound=BaseException)

ON_THE_WAY_SECONDS = 10.0
"""How long a VM is on its way from one server to another, at its end, when one no longer has it and the other has."""

_LOOK_AGAIN_SECONDS = 0.5
_FIRST_SECONDS = 10.0  # a service that has just started tries all its hosts at once, and they it
_STANDS_SECONDS = 10.0  # a connection that falls sooner may fall for what is done over it, and again each time
_BRIEF_SECONDS = 2.0  # a restarted libvirtd is back by then, and nobody need hear of it
_PATIENT_SECONDS = 30.0
_SHORTEST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 3.0
_LONGEST_PAUSE_AFTER_ERROR_SECONDS = 30.0


@dataclass(frozen=True)
class Shared:
    """What the watches of all hosts have in common."""

    connections: HostConnections
    clock: Clock
    pace: Pace = field(default_factory=Pace)
    departures: Departures = field(default_factory=Departures)
    precedence: Precedence = field(default_factory=Precedence)
    vms: dict[int, int] = field(default_factory=dict)
    """How many VMs each of them has, by the id of its server."""


def _nobody(*_word: object) -> None:
    """There is no other service."""


class _First(NamedTuple):
    """What is read of a host as soon as it is listened to."""

    found: States
    facts: HostFacts


class Lookout:
    """The watch of one server.

    With a ``condition`` it writes only for as long as that holds, and ends when it does not. By ``tell`` other services
    get to know what they have to.
    """

    def __init__(
        self,
        server: Server,
        shared: Shared,
        condition: Query | None = None,
        tell: Callable[..., None] = _nobody,
    ) -> None:
        self.uri = server.libvirt_uri
        self.server_id = server.id
        self.seen: datetime | None = None
        """When the host was last known to be as the database says, UTC."""
        self.is_in_sight = False
        self._shared = shared
        self._condition = condition
        self._tell = tell
        self._has_to_compare = False
        self._has_to_recover = False
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        self._noted: set[str] = set()
        self._began: set[str] = set()
        self._waiting: dict[str, float] = {}
        self._rereading = Rereading(server.id, shared.clock, shared.vms)
        self._settled: tuple[Hashable, States] | None = None
        self._failures = 0
        self._fell_soon = False
        # a context of its own: it would log under the id of the request that happened to register the server
        self.task = asyncio.create_task(self._run(), name=f"watch-host-{server.id}", context=contextvars.Context())
        self.task.add_done_callback(lambda _task: self._rereading.end())

    def note(self, uuid: str) -> None:
        """A domain is to be looked at."""
        self._noted.add(uuid)
        self._woken.set()

    def compare_soon(self) -> None:
        """Something may have been missed: all domains are to be compared with what is known of them."""
        self._has_to_compare = True
        self._woken.set()

    def recover_soon(self) -> None:
        """Somebody has left jobs on this host: another service that has died, or a create that failed."""
        self._has_to_recover = True
        self._woken.set()

    async def _run(self) -> None:
        if self._condition is not None:
            fence(self._condition)
        while True:
            longest = _LONGEST_PAUSE_SECONDS
            try:
                server = await Server.get_or_none(id=self.server_id, enabled=True)
                if server is None:
                    return
                if await self._follow(server) and not self._is_canceled():
                    self._failures = 0
                    continue  # at once: it may be back
            except DatabaseUnavailable as error:
                log.warning("host.database_unavailable", server=self.server_id, reason=str(error))
            except Fenced:
                log.warning("host.watched_by_another", server=self.server_id)
                self.is_in_sight = False
                return
            except HostlerError as error:
                log.warning("host.unreadable", server=self.server_id, reason=error.message)
                longest = _LONGEST_PAUSE_AFTER_ERROR_SECONDS
            except Exception:
                log.exception("host.watch_failed", server=self.server_id)
                longest = _LONGEST_PAUSE_AFTER_ERROR_SECONDS
            self.is_in_sight = False
            if self._is_canceled():
                # of several tasks that were canceled together one may have failed instead, and only that is told
                raise asyncio.CancelledError
            self._failures += 1
            pause = min(_SHORTEST_PAUSE_SECONDS * 2**self._failures, longest)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  no secret
            await self._shared.pace.turn()

    def _is_canceled(self) -> bool:
        return bool(self.task.cancelling())

    async def _follow(self, server: Server) -> bool:
        """Watch the server for as long as its connection stands; whether it is worth while to try again at once."""
        host = self._shared.connections.of(server.id, server.hostname, server.libvirt_uri)
        is_new = self.seen is None and not self._failures
        began = time.monotonic()
        patience = _FIRST_SECONDS if is_new else _PATIENT_SECONDS if self._failures else _BRIEF_SECONDS
        try:
            async with contextlib.AsyncExitStack() as begun:
                if is_new:
                    await begun.enter_async_context(self._shared.precedence.first())
                async with host.listening(
                    self._listen, seconds=patience, answer_seconds=BULK_SECONDS, lane=Lane.WATCH
                ) as heard:
                    host.be_away(False)
                    await self._watch(server, host, heard, begun)
            lost = HostUnreachable(f"Host '{server.hostname}' is unreachable")
        except HostUnreachable as error:
            lost = error
        except BaseExceptionGroup as group:
            if group.subgroup(Fenced) is not None:
                raise Fenced from group
            found, others = group.split(HostUnreachable)
            if found is None or others is not None:
                raise _first(others or group) from group
            lost = _first(found)
        was_in_sight, self.is_in_sight = self.is_in_sight, False
        fell_soon_before = self._fell_soon
        self._fell_soon = was_in_sight and time.monotonic() < began + _STANDS_SECONDS
        if was_in_sight and not isinstance(lost, HostTimeout) and not (self._fell_soon and fell_soon_before):
            return True  # a libvirtd that is restarted is back in a moment, and nobody need hear of it
        host.be_away()
        await mark_unreachable(server, lost, self.seen)
        return False

    async def _watch(
        self, server: Server, host: HostConnection, heard: Heard[list[_First]], begun: contextlib.AsyncExitStack
    ) -> None:
        uuids = await self._begin(server, host, heard.by.pop())
        await begun.aclose()
        addresses = AddressWatch(server, host)
        async with asyncio.TaskGroup() as tasks:
            backlog = Backlog(server, host, self._shared.departures, self._shared.precedence, uuids, tasks)
            others = [
                tasks.create_task(addresses.run(), name=f"watch-addresses-{server.id}"),
                tasks.create_task(self._look_at_images(server, host), name=f"watch-images-{server.id}"),
            ]
            await self._keep_looking(server, host, heard, addresses, backlog)
            backlog.close()
            for task in others:
                task.cancel()

    async def _begin(self, server: Server, host: HostConnection, first: _First) -> Sequence[str]:
        """First what all VMs do, then what nobody has finished, and which are gone; others are to be looked at then.

        One that has moved while nobody watched is gone here before the other host takes it for a copy.
        """
        found, facts = first
        await note_facts(server, facts)
        await adopt_states(server, found)
        await recover(server, host)
        await recover_images(server, host)
        comparison = await compare(server, found)
        for uuids in batches(sorted(comparison.away)):
            await self._look(server, host, uuids)
        self._settled = None
        self._sighted()
        log.info("host.in_sight", host=server.hostname, vms=comparison.machines)
        return sorted(present(found))

    async def _keep_looking(
        self,
        server: Server,
        host: HostConnection,
        heard: Heard[list[_First]],
        addresses: AddressWatch,
        backlog: Backlog,
    ) -> None:
        compared = time.monotonic()
        is_new = True
        while True:
            if is_new and not backlog:
                log.info("host.watched", host=server.hostname)  # each VM was looked at
                is_new = False
            await self._sleep(0 if backlog else self._due(compared))
            if not heard.is_alive:
                return  # it fell, though others may have reached the host again by now
            if self._noted:
                began, self._began = self._began, set()
                noted, self._noted = self._noted, set()
                await self._look(server, host, noted, began)
                backlog.looked_at(noted)
                for uuid in noted:
                    addresses.note(uuid, anew=uuid in began)
            if backlog:  # in turns: events may come without end
                self._take_note(await backlog.take())
            if self._waiting:
                backlog.looked_at(self._waiting.keys())
                await self._look_at_those_that_wait(server, host)
            if self._has_to_recover:
                self._has_to_recover = False
                await recover(server, host)
                await recover_images(server, host)
            if self._has_to_compare or compared + self._shared.clock.resync <= time.monotonic():
                self._has_to_compare = False
                backlog.extend(await self._resync(server, host))
                compared = time.monotonic()
            self._sighted()

    def _due(self, compared: float) -> float:
        """In how many seconds there is something to do that no event tells of."""
        resync = compared + self._shared.clock.resync - time.monotonic()
        return min(resync, _LOOK_AGAIN_SECONDS) if self._waiting else resync

    async def _look(
        self, server: Server, host: HostConnection, uuids: Collection[str], began: Collection[str] = ()
    ) -> None:
        self._take_note(await look(server, host, uuids, began=began, departures=self._shared.departures))

    def _take_note(self, found: Look) -> None:
        self._rereading.saw(found.fingerprints)
        if found.unfinished:
            self.recover_soon()
        now, looked_at = time.monotonic(), set(found.uuids)
        self._waiting = {
            **{uuid: since for uuid, since in self._waiting.items() if uuid not in looked_at},
            **{uuid: self._waiting.get(uuid, now) for uuid in found.waiting},
        }

    async def _look_at_those_that_wait(self, server: Server, host: HostConnection) -> None:
        """Of VMs that are on their way from one server to another, or are on both."""
        over = {uuid for uuid, since in self._waiting.items() if since + ON_THE_WAY_SECONDS <= time.monotonic()}
        await self._look(server, host, self._waiting.keys() - over)
        if over:
            await look(server, host, over, departures=self._shared.departures, patient=False)
            self._shared.departures.forget(over, server.id)
            self._waiting = {uuid: since for uuid, since in self._waiting.items() if uuid not in over}

    async def _resync(self, server: Server, host: HostConnection) -> list[str]:
        """Find by what libvirt tells in bulk which VMs are to be looked at."""
        found = await bulk_states(host)
        differing = await self._compare_states(server, host, found)
        redefined: list[str] = []
        if self._rereading.is_due(len(found)):
            read = await definitions(host, self._rereading.take(present(found)))
            redefined = self._rereading.redefined(read)
        await read_host(server, host)
        return [*differing, *redefined]

    async def _compare_states(self, server: Server, host: HostConnection, found: States) -> Collection[str]:
        if self._settled == (version_now(), found):
            return ()
        return await self._compare(server, host, found)

    async def _compare(self, server: Server, host: HostConnection, found: States) -> Collection[str]:
        await sweep_unfinished(server, host)
        version = version_now()
        doubtful = (await compare(server, found)).doubtful
        # with the same answer, and nothing written since, there is nothing to compare the next time
        is_settled = version is not None and not doubtful and version_now() == version
        self._settled = (version, found) if is_settled else None
        return doubtful

    async def _look_at_images(self, server: Server, host: HostConnection) -> None:
        closely = True
        while True:
            try:
                await sync_images(server, host, closely=closely)
                if closely:
                    await virt_type_of(server, host)
                closely = False
            except HostUnreachable:
                raise
            except HostlerError as error:
                log.warning("host.unreadable", host=server.hostname, reason=error.message)
            await asyncio.sleep(self._shared.clock.resync)

    def _sighted(self) -> None:
        self.seen = datetime.now(UTC)
        self.is_in_sight = True

    @contextlib.contextmanager
    def _listen(self, hypervisor: Hypervisor) -> Iterator[list[_First]]:
        # both are called by libvirt's thread
        def wake() -> None:
            self._loop.call_soon_threadsafe(self._woken.set)

        def heard(sign: Sign) -> None:
            self._loop.call_soon_threadsafe(self._heed, sign)

        with watching(hypervisor, heard, wake):
            # on the same connection, which nobody else uses yet: over ssh another one takes a third of a second;
            # in a list, to be taken out: it is large, and what is heard stands for as long as the connection
            yield [_First(states(hypervisor), host_facts(hypervisor, with_uuid=False))]

    def _heed(self, sign: Sign) -> None:
        if sign.what == STARTED:
            self._began.add(sign.uuid)
            if self._shared.departures.left.get(sign.uuid) == self.server_id:
                self._shared.departures.forget([sign.uuid], self.server_id)  # it has come back
                self._tell("stayed", self.server_id, sign.uuid)
        elif sign.what == LEFT:
            self._shared.departures.left[sign.uuid] = self.server_id
            self._tell("left", self.server_id, sign.uuid)
        elif sign.what == WATCHDOG:
            log.warning("vm.watchdog", server=self.server_id, uuid=sign.uuid)
        self.note(sign.uuid)

    async def _sleep(self, seconds: float) -> None:
        try:
            # not wait_for: on Python 3.11 that swallows a cancellation that comes together with an event
            async with asyncio.timeout(max(seconds, 0)):
                await self._woken.wait()
        except TimeoutError:
            return
        self._woken.clear()


def _first(group: BaseExceptionGroup[E]) -> E:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
