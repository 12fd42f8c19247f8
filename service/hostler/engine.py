# SPDX-License-Identifier: GPL-3.0-or-later
"""What carries work out: the hosts' connections, jobs, playbooks, the watch over the hosts, their statistics."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import Depends, Request

from hostler.awx import Controller
from hostler.credentials.keeping import Keeper
from hostler.database.queries import dialect
from hostler.dispatch import runs_playbooks
from hostler.errors import Unavailable
from hostler.hosts.connection import HostConnection, HostConnections
from hostler.hosts.models import Server
from hostler.hosts.rereading import Clock
from hostler.hosts.watch import HostWatch
from hostler.jobs.crew import Crew
from hostler.jobs.turns import moved_elsewhere, telling
from hostler.runner import PlaybookRunner, sweep
from hostler.sealing import Sealer, load_sealer
from hostler.services.presence import Presence, Word
from hostler.settings import Settings
from hostler.statistics.clock import Statistics

_WARM_UP_AFTER_SECONDS = 1.0  # it takes a processor for half a second, which the start itself can do without

_TURN = "turn"
"""What services tell each other when it may be another job's turn."""

NO_HYPERVISOR = "VM operations are not available - libvirt not configured"


@dataclass
class Engine:
    """One a process, made when the service starts."""

    settings: Settings
    connections: HostConnections
    crew: Crew
    playbooks: PlaybookRunner
    watch: HostWatch
    sealer: Sealer
    credentials: Keeper
    statistics: Statistics
    awx: Controller | None = None
    """Where a setting says that there is one."""

    @classmethod
    def of(cls, settings: Settings, presence: Presence | None = None) -> Engine:
        """Make one, beside other services where there is a ``presence``; nothing is dialled yet."""
        sweep(settings.state_dir)  # what playbooks of a service that was killed left
        sealer = load_sealer(settings)
        credentials = Keeper(sealer, settings.state_dir)
        connections = HostConnections(settings.host_threads, credentials.opening)
        watch = HostWatch(connections, Clock(settings.resync_seconds, settings.reread_seconds), presence)
        return cls(
            settings=settings,
            connections=connections,
            crew=Crew(settings.sync_timeout_seconds),
            playbooks=PlaybookRunner(
                settings.state_dir,
                # which would wait for nothing where AWX runs them all
                warm_start=settings.warm_start and runs_playbooks(settings),
                playbooks_dir=settings.playbooks_dir,
            ),
            watch=watch,
            sealer=sealer,
            credentials=credentials,
            statistics=Statistics(connections, settings.statistics_seconds, None if presence is None else watch),
            awx=Controller(settings) if settings.awx_url else None,
        )

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, settings: Settings, watches: bool = True) -> AsyncIterator[Engine]:
        """Make one and watch the hosts in the block; then let running jobs end, for as long as a shutdown may take.

        A worker does not watch any (``watches``): those who do are told what to look at.
        """
        async with _presence(settings, watches) as presence:
            engine = cls.of(settings, presence)
            if watches:
                await engine.watch.start()
                engine.statistics.start()
            warming_up = asyncio.create_task(_warm_up(engine.playbooks), name="warm-up")
            try:
                yield engine
            finally:
                warming_up.cancel()
                await engine.statistics.close()
                if watches:
                    await engine.watch.close()
                await engine.crew.close(settings.shutdown_seconds)
                await engine.playbooks.close()
                if engine.awx is not None:
                    await engine.awx.close()
                engine.connections.close()

    def host(self, server: Server) -> HostConnection:
        """The connection to a server; raises `Unavailable` for one that is disabled."""
        if not server.enabled:
            raise Unavailable(f"Host '{server.hostname}' is disabled", code="host_disabled")
        return self.connections.of(server.id, server.hostname, server.libvirt_uri)


@contextlib.asynccontextmanager
async def _presence(settings: Settings, watches: bool) -> AsyncIterator[Presence | None]:
    """On SQLite there is no other service. It ends last: until then the others leave this one's jobs alone."""
    if dialect() == "sqlite":
        yield None
        return
    async with Presence.running(settings.database_url, watches) as presence:

        def hear(word: Word) -> None:
            if word == [_TURN]:  # it may be anything
                moved_elsewhere()

        presence.listen(hear, moved_elsewhere)
        with telling(partial(presence.tell, _TURN)):
            yield presence


async def _warm_up(playbooks: PlaybookRunner) -> None:
    await asyncio.sleep(_WARM_UP_AFTER_SECONDS)
    await asyncio.to_thread(playbooks.warm_up)


async def require_hypervisor() -> None:
    """Raise the contract's 503 where no hypervisor is configured at all."""
    if not await Server.filter(enabled=True).exists():
        raise Unavailable(NO_HYPERVISOR, code="no_hypervisor")


def _engine_of(request: Request) -> Engine:
    engine: Engine = request.app.state.engine
    return engine


EngineOf = Annotated[Engine, Depends(_engine_of)]
"""A route's parameter for it: ``engine: EngineOf``."""
