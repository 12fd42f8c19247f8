# SPDX-License-Identifier: GPL-3.0-or-later
"""Tortoise's psycopg backend, with one error for a server that is gone: DatabaseUnavailable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import psycopg_pool
from tortoise.backends.base.client import TransactionalDBClient, TransactionContext, TransactionContextPooled
from tortoise.backends.psycopg.client import PsycopgClient, TransactionWrapper
from tortoise.connection import get_connections
from tortoise.exceptions import DBConnectionError

from hostler.database import cancellation
from hostler.database.commits import Ending, Savepoint
from hostler.database.fence import Fenced, condition
from hostler.database.queries import with_placeholders
from hostler.database.unavailable import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

GONE = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.IdleInTransactionSessionTimeout,
    psycopg_pool.PoolTimeout,
    psycopg_pool.PoolClosed,
)
"""What psycopg raises when the server, or the way to it, is gone."""

IDLE_SECONDS = 8
"""How long a service may leave a transaction alone before the server ends it, in seconds.

One that is stopped in the midst of one would hold its locks for ever, and nobody could take its hosts over.
"""


async def end_idle_transactions(connection: psycopg.AsyncConnection[Any]) -> None:
    """Have the server end a transaction of this connection that is left alone; for the pool of a service."""
    await connection.execute(f"SET idle_in_transaction_session_timeout = {IDLE_SECONDS * 1000}")


class PostgresClient(PsycopgClient):
    """A pool of connections to PostgreSQL; made by Tortoise from ``database.config``."""

    async def _translate_exceptions(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            with cancellation.heeded():
                return await super()._translate_exceptions(func, *args, **kwargs)
        except (*GONE, DBConnectionError) as error:
            raise DatabaseUnavailable(error) from error

    def _in_transaction(self) -> TransactionContext:
        return _PooledTransaction(_Transaction(self), self._pool_init_lock)


class _Transaction(TransactionWrapper):
    async def _translate_exceptions(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            with cancellation.heeded():
                return await super()._translate_exceptions(func, *args, **kwargs)
        except GONE as error:
            raise DatabaseUnavailable(error) from error

    def _in_transaction(self) -> TransactionContext:
        return Savepoint(_Transaction(self))


class _PooledTransaction(TransactionContextPooled):
    async def __aenter__(self) -> TransactionalDBClient:
        """Take a connection and begin; where that fails the task is left as it was, outside of any transaction.

        Tortoise's own makes the task see the transaction before it has begun: a task that goes on after a failure would
        send all later queries to a dead connection.
        """
        await self.ensure_connection()
        client = self.client
        pool = client._parent._pool  # noqa: SLF001 - Tortoise's own contract between client and transaction
        taken = None
        try:
            with cancellation.heeded():
                taken = client._connection = await pool.acquire()  # noqa: SLF001 - see above
                await client.begin()
                await _meet_condition(client)
        except BaseException as error:
            if taken is not None:
                await pool.release(taken)
            elif isinstance(error, GONE):
                raise DatabaseUnavailable(error) from error
            raise
        self.token = get_connections().set(self.connection_name, client)
        self._ending = Ending()
        return client

    async def __aexit__(self, exc_type: object, exc_val: object, exc_tb: object) -> None:
        """Write what is written last and commit, or roll back; the connection goes back either way."""
        with cancellation.heeded():
            await self._end(exc_type, exc_val, exc_tb)

    async def _end(self, exc_type: object, exc_val: object, exc_tb: object) -> None:
        committed = False
        try:
            if exc_type is None:
                try:
                    await self._ending.write()
                except BaseException as error:
                    await super().__aexit__(type(error), error, error.__traceback__)
                    raise
            await super().__aexit__(exc_type, exc_val, exc_tb)
            committed = exc_type is None
        finally:
            self._ending.over(committed)


async def _meet_condition(client: TransactionalDBClient) -> None:
    """Raise Fenced, and nothing can be written, where the task may not."""
    query = condition()
    if query is None:
        return
    _, found = await client.execute_query(with_placeholders(query[0], "postgres"), list(query[1]))
    if not found:
        await client.rollback()
        raise Fenced


client_class = PostgresClient
