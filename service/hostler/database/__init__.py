# SPDX-License-Identifier: GPL-3.0-or-later
"""The database: connecting, migrating, and reading by hand-written SQL.

Code inside the service uses the models, and ``tortoise.transactions.in_transaction`` for what must happen together.
Never wait for a hypervisor, a guest or a playbook inside a transaction: on SQLite nobody else writes for as long.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tortoise.context import TortoiseContext

from hostler.database import append_only, config, indexes, search
from hostler.database.fence import Fenced, check_fence, fence
from hostler.database.lock import DatabaseInUse, service_lock
from hostler.database.migrate import SchemaTooOld, is_new, migrate, pending
from hostler.database.queries import read, rows, version_now, write_many
from hostler.database.unavailable import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Self

    from tortoise.backends.base.client import BaseDBAsyncClient

    from hostler.settings import Settings

__all__ = [
    "Database",
    "DatabaseInUse",
    "DatabaseUnavailable",
    "Fenced",
    "check_fence",
    "fence",
    "read",
    "rows",
    "version_now",
    "write_many",
]


class Database:
    """The process's database: ``async with Database(settings) as database``. There is one at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.url = config.parse(settings.database_url)
        self._config = self.url.tortoise()
        self._context: TortoiseContext | None = None

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.disconnect()

    async def connect(self) -> None:
        """Connect, making an empty SQLite file where there is none; raises DatabaseUnavailable."""
        self._settings.make_state_dir()
        context = TortoiseContext()
        # requests run in tasks of the server's, which don't inherit from the task that connects
        with context:
            await context.init(config=self._config, _enable_global_fallback=True)
        self._context = context
        try:
            await self.connection.create_connection(with_db=True)
        except BaseException:
            await self.disconnect()
            raise

    async def disconnect(self) -> None:
        """Close every connection; may be called again."""
        context, self._context = self._context, None
        if context is not None:
            await context.close_connections()

    @property
    def connection(self) -> BaseDBAsyncClient:
        """Tortoise's client, or the transaction that the task is in."""
        if self._context is None:
            raise DatabaseUnavailable("it is not connected")
        return self._context.connections.get(self.url.dialect)

    async def pending(self) -> list[str]:
        """Return the names of the migrations that the database lacks; raises SchemaTooNew."""
        return await pending(self.connection, self._config["apps"])

    async def migrate(self) -> list[str]:
        """Apply what is pending and make missing indexes; returns what was applied. Takes the service's lock.

        Raises DatabaseInUse while a service works on the same SQLite file.
        """
        with self.service_lock():
            return await self._migrate()

    async def _migrate(self) -> list[str]:
        return await migrate(self.connection, self._config["apps"])

    def service_lock(self) -> contextlib.AbstractContextManager[None]:
        """Return the lock that one service of a SQLite file holds; PostgreSQL takes any number, so it needs none."""
        return contextlib.nullcontext() if self.url.file is None else service_lock(self.url.file)

    @contextlib.asynccontextmanager
    async def for_service(self) -> AsyncIterator[Self]:
        """Be connected and up to date in the block, as the only service of a SQLite file.

        A SQLite file is migrated here; PostgreSQL, which other services may be using, is the operator's to migrate.
        Raises DatabaseInUse, SchemaTooNew, SchemaTooOld, IndexesMissing, AuditUnguarded, DatabaseUnavailable.
        """
        self._settings.make_state_dir()
        if self.url.file is None:
            from hostler.database.postgres_backend import end_idle_transactions

            self._config["connections"][self.url.dialect]["credentials"]["configure"] = end_idle_transactions
        with self.service_lock():
            async with self:
                if await self.pending():
                    if self.url.file is None:
                        raise SchemaTooOld("The database is older than this hostler; run 'hostler migrate' first")
                    await self._migrate()
                await indexes.check(self.connection)
                await search.check(self.connection)
                await append_only.check(self.connection)
                yield self

    @contextlib.asynccontextmanager
    async def for_command(self) -> AsyncIterator[Self]:
        """Be connected and up to date in the block, beside a service or without one.

        A new SQLite file is made whole here. An older one is not: who only looks at it wants it as it is, and the older
        program would not take it any more. Raises DatabaseInUse, and what ``for_service`` raises.
        """
        async with self:
            if await self.pending():
                if self.url.file is None or not await is_new(self.connection):
                    raise SchemaTooOld("The database is older than this hostler; run 'hostler migrate' first")
                await self.migrate()
            yield self
