# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a run takes place: a folder of its own, hosts, and a PostgreSQL where one is wanted."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.fleet import settings_for
from bench.job_worker import JobWorker
from bench.postgres import Postgres
from bench.service import Service
from hostler.database import Database
from lab.cache import REPOSITORY
from lab.host import Host
from lab.lab import Lab

_PARENT = REPOSITORY / ".chaos"


@dataclass(frozen=True)
class Stage:
    """What there is, for as long as the run takes."""

    folder: Path
    hosts: Sequence[Host]
    postgres: Postgres | None

    @property
    def url(self) -> str:
        """Of the database; empty for SQLite."""
        return "" if self.postgres is None else self.postgres.url

    @contextlib.contextmanager
    def service(self, **settings: str) -> Iterator[Service]:
        """A service that runs in the block; its log is kept."""
        with Service(self.folder / "state", self.url, **settings) as service:
            try:
                yield service
            finally:
                (_PARENT / "service.log").write_bytes((service.state / "service.log").read_bytes())

    @contextlib.contextmanager
    def service_and_worker(self, **settings: str) -> Iterator[tuple[Service, JobWorker | None]]:
        """A service, and on PostgreSQL a worker beside it."""
        if self.postgres is None:
            with self.service(**settings) as service:
                yield service, None
            return
        with (
            self.service(**settings) as service,
            JobWorker(service, self.folder / "worker.log") as worker,
        ):
            try:
                yield service, worker
            finally:
                (_PARENT / "worker.log").write_bytes((self.folder / "worker.log").read_bytes())


@contextlib.contextmanager
def set_up(hosts: int, postgres: bool) -> Iterator[Stage]:
    """A stage in the block."""
    _PARENT.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="run-", dir=_PARENT)))
        lab = stack.enter_context(Lab(folder / "lab"))
        lab.up(hosts=hosts)
        if postgres:
            folder.chmod(0o711)  # PostgreSQL's own user has to enter it
        stage = Stage(folder, lab.hosts, stack.enter_context(Postgres()) if postgres else None)
        asyncio.run(_migrate(folder / "state", stage.url))  # a PostgreSQL no service migrates by itself
        yield stage


async def _migrate(state: Path, url: str) -> None:
    async with Database(settings_for(state, url)) as database:
        await database.migrate()
