# SPDX-License-Identifier: GPL-3.0-or-later
"""Watching the hosts: one task each, woken by libvirt's events, and by the clock.

The events say that something happened to a domain; what it is now is then read. The clock's bulk comparison catches
what no event told of, and a guest that has just started is looked at every second until it has an address.
"""

from __future__ import annotations

import asyncio
import contextvars
import random
import time
from contextlib import AbstractContextManager

import structlog

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError, HostUnreachable
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from hostler.database import DatabaseUnavailable
from hostler.hosts.accelerator import virt_type_of
from hostler.hosts.connection import HostConnections
from hostler.hosts.models import Server, ServerState
from hostler.images.recovery import recover as recover_images
from hostler.images.sync import sync_images
from hostler.machines.models import Machine, MachineStatus
from hostler.machines.recovery import recover, sweep_unfinished
from hostler.machines.sync import mark_disabled, mark_unreachable, read_host, sync_host

log = structlog.get_logger(__name__)

_ROLL_CALL_SECONDS = 2.0
_SETTLE_SECONDS = 0.02  # events come in bursts
_ADDRESS_LOOK_SECONDS = 1.0
_ADDRESS_PATIENCE_SECONDS = 180.0
_LONGEST_BACKOFF_SECONDS = 30.0


class HostWatch:
    """The watches of all enabled servers; those that are added, changed or disabled elsewhere are noticed."""

    def __init__(self, connections: HostConnections, resync_seconds: float) -> None:
        self._connections = connections
        self._resync_seconds = resync_seconds
        self._watches: dict[int, _Watch] = {}
        self._roll_call: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Watch every enabled server from now on."""
        await self.call_roll()
        self._roll_call = asyncio.create_task(self._keep_calling(), name="watch-roll-call")

    async def call_roll(self) -> None:
        """Watch the servers that are enabled now, at the URIs that they have now, and no others."""
        servers = {server.id: server for server in await Server.filter(enabled=True)}
        ended = []
        for server_id, watch in list(self._watches.items()):
            server = servers.get(server_id)
            if server is None or server.libvirt_uri != watch.uri or watch.task.done():
                ended.append(self._watches.pop(server_id).task)
                ended[-1].cancel()
                self._connections.forget(server_id)
        await asyncio.gather(*ended, return_exceptions=True)  # it might still write down what it saw
        for server in await Server.filter(enabled=False).exclude(state=ServerState.UNKNOWN.value):
            await mark_disabled(server)
        for server in servers.values():
            if server.id not in self._watches:
                self._watches[server.id] = _Watch(server, self._connections, self._resync_seconds)

    def look_at(self, server_id: int, uuid: str) -> None:
        """Have a VM looked at soon: something was done to it."""
        watch = self._watches.get(server_id)
        if watch is not None:
            watch.note(uuid)

    async def close(self) -> None:
        """Watch nothing any more."""
        tasks = [watch.task for watch in self._watches.values()]
        if self._roll_call is not None:
            tasks.append(self._roll_call)
        for task in tasks:
            task.cancel()
        self._watches.clear()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_calling(self) -> None:
        while True:
            await asyncio.sleep(_ROLL_CALL_SECONDS)
            try:
                await self.call_roll()
            except DatabaseUnavailable as error:
                log.warning("hosts.roll_call_failed", reason=str(error))


class _Watch:
    """The watch of one server."""

    def __init__(self, server: Server, connections: HostConnections, resync_seconds: float) -> None:
        self.uri = server.libvirt_uri
        self._server_id = server.id
        self._connections = connections
        self._resync_seconds = resync_seconds
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        self._noted: set[str] = set()
        self._address_deadlines: dict[str, float] = {}
        self._wants_address: set[str] = set()
        self._failures = 0
        # a context of its own: it would log under the id of the request that happened to register the server
        self.task = asyncio.create_task(self._run(), name=f"watch-host-{server.id}", context=contextvars.Context())

    def note(self, uuid: str) -> None:
        """A domain is to be looked at."""
        self._noted.add(uuid)
        self._woken.set()

    async def _run(self) -> None:
        while True:
            try:
                server = await Server.get_or_none(id=self._server_id, enabled=True)
                if server is None:
                    return
                await self._follow_or_mark(server)
            except HostlerError as error:
                log.warning("host.unreadable", server=self._server_id, reason=error.message)
            except Exception:
                log.exception("host.watch_failed", server=self._server_id)
            self._failures += 1
            jitter = random.uniform(0.5, 1.0)  # noqa: S311  no secret
            await asyncio.sleep(min(2.0**self._failures, _LONGEST_BACKOFF_SECONDS) * jitter)

    async def _follow_or_mark(self, server: Server) -> None:
        try:
            await self._follow(server)
        except HostUnreachable as error:
            await mark_unreachable(server, error)

    async def _follow(self, server: Server) -> None:
        """Watch the server for as long as its connection stands; raises `HostUnreachable` when it falls."""
        host = self._connections.of(server.id, server.hostname, server.libvirt_uri)
        async with host.listening(self._listen) as heard:
            await read_host(server, host)
            await recover(server, host)
            await recover_images(server, host)
            report = await sync_host(server, host, look_closely=None)
            await sync_images(server, host, closely=True)
            log.info("host.watched", host=server.hostname, vms=report.machines)
            await virt_type_of(server, host)
            self._failures = 0
            compared = time.monotonic()
            while True:
                due = compared + self._resync_seconds - time.monotonic()
                await self._sleep(min(due, _ADDRESS_LOOK_SECONDS) if self._wants_address else due)
                if not heard.is_alive:
                    return  # it fell, though others may have reached the host again by now
                uuids = self._noted | self._wants_address
                self._noted = set()
                if compared + self._resync_seconds <= time.monotonic():
                    await read_host(server, host)
                    await sweep_unfinished(server, host)
                    await sync_images(server, host)
                    compared = time.monotonic()
                await sync_host(server, host, look_closely=uuids)
                await self._expect_addresses(server)

    def _listen(self, hypervisor: Hypervisor) -> AbstractContextManager[None]:
        # both are called by libvirt's thread
        def wake() -> None:
            self._loop.call_soon_threadsafe(self._woken.set)

        def note(uuid: str) -> None:
            self._loop.call_soon_threadsafe(self.note, uuid)

        return hypervisor.watched(note, wake)

    async def _sleep(self, seconds: float) -> None:
        try:
            # not wait_for: on Python 3.11 that swallows a cancellation that comes together with an event
            async with asyncio.timeout(max(seconds, 0)):
                await self._woken.wait()
        except TimeoutError:
            return
        await asyncio.sleep(_SETTLE_SECONDS)
        self._woken.clear()

    async def _expect_addresses(self, server: Server) -> None:
        now = time.monotonic()
        without = (
            await Machine.filter(server_id=server.id, status=MachineStatus.RUNNING.value, ip_address=None)
            .exclude(network_type="none")
            .values_list("uuid", flat=True)
        )
        # one that was given up stays in the book for as long as it runs without an address
        self._address_deadlines = {
            str(uuid): self._address_deadlines.get(str(uuid), now + _ADDRESS_PATIENCE_SECONDS) for uuid in without
        }
        self._wants_address = {uuid for uuid, deadline in self._address_deadlines.items() if deadline > now}
