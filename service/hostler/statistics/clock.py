# SPDX-License-Identifier: GPL-3.0-or-later
"""The slow clock of the statistics: a task for each host that is reachable, and one that writes down what they read."""

from __future__ import annotations

import asyncio
import contextvars
import random
import time
from collections.abc import Collection, Mapping

import structlog

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError
from hostler.database import DatabaseUnavailable
from hostler.hosts.connection import HostConnections
from hostler.hosts.models import Server, ServerState
from hostler.hosts.watch import HostWatch
from hostler.metrics.measures import STATISTICS_READS, STATISTICS_SECONDS
from hostler.statistics import store
from hostler.statistics.history import History, Page, restored_from
from hostler.statistics.host import HostStatistics, Newest, Present, oldest_present
from hostler.statistics.patient import TooSlow
from hostler.statistics.resolution import resolutions, slot
from hostler.statistics.round import Round

log = structlog.get_logger(__name__)

_ROLL_CALL_SECONDS = 5.0
_WRITE_SECONDS = 60.0
_WRITE_FOR_OTHERS_SECONDS = 5.0  # at the most often, where other services show what this one reads
_PRUNE_SECONDS = 3600.0
"""Pause between two looks for what is too old to be kept, where nothing is read."""


class Statistics:
    """The readings of all hosts that are enabled and reachable, every so many seconds; 0 reads nothing.

    Beside other services (``watch`` says which hosts are this one's) each host is read by whoever watches it, and what
    was read is written down soon, for all to show.
    """

    def __init__(self, connections: HostConnections, reading_seconds: int, watch: HostWatch | None = None) -> None:
        self._connections = connections
        self._watch = watch
        self.reading_seconds = reading_seconds
        self.resolutions = resolutions(reading_seconds) if reading_seconds else resolutions(1)[1:]
        """Those that are kept, in seconds, the finest first."""
        self._hosts: dict[int, HostStatistics] = {}
        self._readings: dict[int, asyncio.Task[None]] = {}
        self._outcomes: dict[int, str] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._writing = asyncio.Lock()

    def start(self) -> None:
        """Read and write from now on."""
        tasks = [self._keep_writing()]
        if self.reading_seconds:
            tasks.append(self._keep_calling())
        # a context of their own: nothing that they log belongs to a request
        self._tasks = [asyncio.create_task(task, context=contextvars.Context()) for task in tasks]

    async def close(self) -> None:
        """Read no more, and write down what was read."""
        tasks = [*self._tasks, *self._readings.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for host in self._hosts.values():
            host.reader.close()
        await self._try_to_write()

    @property
    def hosts(self) -> Mapping[int, HostStatistics]:
        """Those that are read, by the ids of their servers."""
        return self._hosts

    def now(self, server_id: int) -> Present | None:
        """The newest reading of a server that is read, None if there is none or it is an old one; nobody is asked."""
        host = self._hosts.get(server_id) if server_id in self._readings else None
        return None if host is None else host.now()

    def unwritten(self, server_id: int) -> list[Round]:
        """Readings of a server that the database does not have yet."""
        host = self._hosts.get(server_id)
        return [] if host is None else host.history.unwritten

    async def shown_now(self, server_id: int) -> Newest | None:
        """As `now`, and of a server that another service reads what that one has written down."""
        present = self.now(server_id)
        if present is not None:
            return Newest(present.at, present.figures, present.usage.pools)
        if self._watch is None or server_id not in self._watch.elsewhere or not self.reading_seconds:
            return None
        found = await store.rounds_since(server_id, self.reading_seconds, oldest_present(self.reading_seconds))
        return Newest.of(found[-1]) if found else None

    async def call_roll(self) -> None:
        """Read the servers that can be read now, and no others."""
        reachable = await Server.filter(enabled=True, state=ServerState.REACHABLE.value).values_list("id", flat=True)
        ids = {int(str(one)) for one in reachable}
        if self._watch is not None:
            others = ids - set(self._watch.watched)
            ids -= others
            await self._hand_over(others & self._hosts.keys())
        for server_id, reading in list(self._readings.items()):
            if server_id not in ids or reading.done():
                self._readings.pop(server_id).cancel()
        for server_id in ids - self._readings.keys():
            self._readings[server_id] = asyncio.create_task(
                self._keep_reading(server_id), name=f"statistics-{server_id}", context=contextvars.Context()
            )
        for server_id in self._hosts.keys() - ids:
            if self._hosts[server_id].history.is_settled:
                self._hosts.pop(server_id).reader.close()
                self._outcomes.pop(server_id, None)

    async def write_down(self) -> None:
        """Write what was read since the last time, and what it came to, and forget what is too old."""
        async with self._writing:
            moment = time.time()
            pages = {server_id: host.history.pages(moment) for server_id, host in self._hosts.items()}
            histories = {server_id: host.history for server_id, host in self._hosts.items()}
            try:
                await store.write(pages, moment)
                for server_id, written in pages.items():
                    histories[server_id].written(written)
            finally:
                for history in histories.values():
                    history.forget(moment)

    async def _hand_over(self, ids: Collection[int]) -> None:
        """Leave hosts to another service: what its readings and these came to together is that one's to tell."""
        for server_id in ids:
            if server_id in self._readings:
                self._readings.pop(server_id).cancel()
        async with self._writing:
            unwritten = {server_id: self._hosts[server_id].history.unwritten for server_id in ids}
            pages = {one: [Page(self.reading_seconds, reading) for reading in rest] for one, rest in unwritten.items()}
            if any(pages.values()):
                await store.write(pages, time.time())
            for server_id in ids:
                self._hosts.pop(server_id).reader.close()
                self._outcomes.pop(server_id, None)

    async def _keep_reading(self, server_id: int) -> None:
        host = self._hosts.get(server_id)
        while host is None:
            try:
                host = await self._restored(server_id)
            except DatabaseUnavailable:
                await asyncio.sleep(_ROLL_CALL_SECONDS)
        # of hundreds of hosts a few are read at a time, always the same ones, and none twice in one slot
        offset = random.uniform(0, self.reading_seconds)  # noqa: S311  no secret
        while True:
            now = time.time()
            due = slot(now, self.reading_seconds) + offset
            await asyncio.sleep(due - now if due > now else due + self.reading_seconds - now)
            await self._read(server_id, host)

    async def _restored(self, server_id: int) -> HostStatistics:
        since = restored_from(time.time(), self.resolutions)
        found = await store.rounds_since(server_id, self.reading_seconds, since)
        host = HostStatistics(server_id, self.reading_seconds, History(self.resolutions, found))
        self._hosts[server_id] = host
        return host

    async def _read(self, server_id: int, host: HostStatistics) -> None:
        connection = self._connections.known(server_id)
        if connection is None:
            return  # the watch has given it up, which the roll call has not noticed yet
        began = time.perf_counter()
        outcome, reason = "failed", ""
        try:
            await host.read(connection)
            outcome = "read"
        except TooSlow:
            outcome, reason = "too_slow", "no answer in time: guests hang, or the host does"
        except HostlerError as error:
            reason = error.message
        except DatabaseUnavailable as error:
            reason = str(error)
        except Exception:
            log.exception("statistics.failed", server=server_id)
        if reason and outcome != self._outcomes.get(server_id):  # once, and not every few seconds
            log.warning("statistics.unreadable", server=server_id, reason=reason)
        self._outcomes[server_id] = outcome
        STATISTICS_READS.labels(outcome=outcome).inc()
        STATISTICS_SECONDS.observe(time.perf_counter() - began)

    async def _keep_calling(self) -> None:
        while True:
            try:
                await self.call_roll()
            except DatabaseUnavailable as error:
                log.warning("statistics.roll_call_failed", reason=str(error))
            await asyncio.sleep(min(_ROLL_CALL_SECONDS, self.reading_seconds))

    async def _keep_writing(self) -> None:
        while True:
            await asyncio.sleep(self._write_seconds)
            await self._try_to_write()

    @property
    def _write_seconds(self) -> float:
        if not self.reading_seconds:
            return _PRUNE_SECONDS
        if self._watch is None:
            return _WRITE_SECONDS
        return min(max(self.reading_seconds, _WRITE_FOR_OTHERS_SECONDS), _WRITE_SECONDS)

    async def _try_to_write(self) -> None:
        try:
            await self.write_down()
        except DatabaseUnavailable as error:
            log.warning("statistics.not_written", reason=str(error))
        except Exception:
            log.exception("statistics.not_written")
