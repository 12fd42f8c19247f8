# SPDX-License-Identifier: GPL-3.0-or-later
"""Tortoise's psycopg backend, with one error for a server that is gone: DatabaseUnavailable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import psycopg_pool
from tortoise.backends.base.client import TransactionalDBClient, TransactionContext, TransactionContextPooled
from tortoise.backends.psycopg.client import PsycopgClient, TransactionWrapper
from tortoise.exceptions import DBConnectionError

from hostler.database.unavailable import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

GONE = (psycopg.OperationalError, psycopg.InterfaceError, psycopg_pool.PoolTimeout, psycopg_pool.PoolClosed)
"""What psycopg raises when the server, or the way to it, is gone."""


class PostgresClient(PsycopgClient):
    """A pool of connections to PostgreSQL; made by Tortoise from ``database.config``."""

    async def _translate_exceptions(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return await super()._translate_exceptions(func, *args, **kwargs)
        except (*GONE, DBConnectionError) as error:
            raise DatabaseUnavailable(error) from error

    def _in_transaction(self) -> TransactionContext:
        return _PooledTransaction(_Transaction(self), self._pool_init_lock)


class _Transaction(TransactionWrapper):
    async def _translate_exceptions(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return await super()._translate_exceptions(func, *args, **kwargs)
        except GONE as error:
            raise DatabaseUnavailable(error) from error


class _PooledTransaction(TransactionContextPooled):
    async def __aenter__(self) -> TransactionalDBClient:
        try:
            return await super().__aenter__()
        except GONE as error:
            raise DatabaseUnavailable(error) from error


client_class = PostgresClient
