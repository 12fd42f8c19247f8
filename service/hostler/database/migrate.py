# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing the database's schema up to the program's: Tortoise's migrations, run all or none.

Tortoise 1.1.9 runs each migration in a transaction of its own, records it after that in another, writes the record
with a placeholder that psycopg does not know, and rebuilds SQLite's tables with foreign keys enforced, which would
delete the rows that refer to them, and with ids starting anew. So the loop here is ours, around its operations: one
transaction holds everything that is pending, the records, the indexes and SQLite's id counters.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from tortoise.migrations.executor import MigrationExecutor
from tortoise.migrations.recorder import MigrationRecorder
from tortoise.transactions import in_transaction

from hostler.database import append_only, indexes, search
from hostler.database.columns import tables_present
from hostler.errors import OperatorError

if TYPE_CHECKING:
    from typing import Any

    from tortoise.backends.base.client import BaseDBAsyncClient
    from tortoise.migrations.executor import MigrationTarget

_FIRST_TABLE = "user_account"
_ADVISORY_LOCK = 0x686F73746C65  # "hostle": any number that nobody else locks


class SchemaTooNew(OperatorError):
    """A newer program has migrated this database."""


class SchemaBroken(OperatorError):
    """What the database says of its own migrations can't be."""


class SchemaTooOld(OperatorError):
    """The database has migrations pending, and it is the operator's to say when they run."""


class _Recorder(MigrationRecorder):
    def _placeholder(self, pos: int) -> str:  # psycopg's, where Tortoise writes asyncpg's
        return "%s" if self._dialect == "postgres" else super()._placeholder(pos)


class _Executor(MigrationExecutor):
    def __init__(self, connection: BaseDBAsyncClient, apps: dict[str, Any]) -> None:
        super().__init__(connection, apps)
        self.recorder = _Recorder(connection)
        self.loader.recorder = self.recorder


async def pending(connection: BaseDBAsyncClient, apps: dict[str, Any]) -> list[str]:
    """Return the migrations that the database lacks, by name.

    Raises SchemaTooNew if it has one that we don't know, and SchemaBroken if it lacks one before the last that it has.
    """
    executor = _Executor(connection, apps)
    await executor.loader.build_graph()
    applied = await executor.recorder.applied_migrations()
    known = set(executor.loader.graph.nodes)
    if unknown := sorted(key.name for key in applied if key not in known):
        raise SchemaTooNew(
            f"A newer hostler has changed this database ({', '.join(unknown)}); run that version, or restore a backup"
        )
    if not applied and _FIRST_TABLE in await tables_present(connection):
        raise SchemaBroken(
            "The database has Hostler's tables, and its table tortoise_migrations says of no migration that it was "
            "applied: somebody else has changed that"
        )
    names, have = sorted(key.name for key in known), {key.name for key in applied}
    gap = next((name for name in names if name not in have), None)
    later = next((name for name in names if gap is not None and name > gap and name in have), None)
    if later is not None:
        raise SchemaBroken(
            f"The database says that {later} was applied, and {gap} before it was not: "
            "its table tortoise_migrations was changed by somebody else"
        )
    return [step.migration.name for step in await executor.plan()]


async def is_new(connection: BaseDBAsyncClient) -> bool:
    """Whether a SQLite database has nothing in it."""
    return not await connection.execute_query_dict("SELECT name FROM sqlite_master LIMIT 1")


async def migrate(
    connection: BaseDBAsyncClient, apps: dict[str, Any], targets: list[MigrationTarget] | None = None
) -> list[str]:
    """Apply what is pending (up to ``targets``, where given) and make missing indexes, all or nothing.

    Returns the names of what was applied. Raises SchemaTooNew, SchemaBroken. No service may be working on the database.
    """
    sqlite = connection.capabilities.dialect == "sqlite"
    await pending(connection, apps)
    if sqlite:
        # a pragma of the connection, without effect inside a transaction
        await connection.execute_query("PRAGMA foreign_keys=OFF")
    try:
        async with in_transaction(connection.connection_name) as transaction:
            if not sqlite:
                await transaction.execute_query(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")
            return await _migrate_in(transaction, apps, targets)
    finally:
        if sqlite:
            await connection.execute_query("PRAGMA foreign_keys=ON")


async def _migrate_in(
    transaction: BaseDBAsyncClient, apps: dict[str, Any], targets: list[MigrationTarget] | None
) -> list[str]:
    executor = _Executor(transaction, apps)
    editor = executor._schema_editor(atomic=True)  # noqa: SLF001 - the class has no other way to be used in parts
    await _make_record_table(transaction, executor)
    counters = await _id_counters(transaction)
    # planned here, behind the lock: another process may have done it all while we waited
    plan = await executor.plan(targets)
    applied = set(await executor.recorder.applied_migrations())
    state = await executor._project_state(applied)  # noqa: SLF001 - see above
    for step in plan:
        await step.migration.apply(state, schema_editor=editor)
        await executor.recorder.record_applied(step.migration.app_label, step.migration.name)
        # Tortoise makes all models anew for each, and they hold themselves: left to the collector they would take a
        # third of the memory of a service that began with its migrations, for as long as it runs
        gc.collect()
    await _keep_id_counters(transaction, counters)
    if targets is None:
        await indexes.make_missing(transaction)
        await search.make_missing(transaction)
        guards = await append_only.make_missing(transaction)
        _record([step.migration.name for step in plan], guards)
    await _check_references(transaction)
    return [step.migration.name for step in plan]


def _record(applied: list[str], guards: list[str]) -> None:
    """Have the audit say what was changed; what it lacked itself, too, for somebody may have taken that away."""
    from hostler.audit.record import Target, record  # imported late: the audit is written through this package

    if applied:
        record("database.migrate", target=Target("database"), after={"migrations": applied})
    elif guards:
        record("audit.guard", target=Target("audit"), after={"triggers": guards})


async def _make_record_table(transaction: BaseDBAsyncClient, executor: _Executor) -> None:
    editor = executor._schema_editor(atomic=True)  # noqa: SLF001 - see _migrate_in
    statement = editor._get_model_sql_data(executor.recorder.model).table_sql  # noqa: SLF001 - as ensure_schema does
    await transaction.execute_query(statement.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1))


async def _id_counters(transaction: BaseDBAsyncClient) -> dict[str, int]:
    """Return the highest id that each SQLite table has ever given; empty on PostgreSQL, whose sequences stay."""
    if transaction.capabilities.dialect != "sqlite":
        return {}
    tables = await transaction.execute_query_dict("SELECT name FROM sqlite_master WHERE name = 'sqlite_sequence'")
    if not tables:
        return {}
    rows = await transaction.execute_query_dict("SELECT name, seq FROM sqlite_sequence")
    return {row["name"]: row["seq"] for row in rows}


async def _keep_id_counters(transaction: BaseDBAsyncClient, counters: dict[str, int]) -> None:
    """Let no rebuilt table give an id again: a rebuild counts from the highest that is left."""
    for table, highest in counters.items():
        changed, _ = await transaction.execute_query(
            "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", [highest, table]
        )
        if not changed:
            await transaction.execute_query(
                "INSERT INTO sqlite_sequence (name, seq) SELECT ?, ? WHERE ? IN (SELECT name FROM sqlite_master)",
                [table, highest, table],
            )


async def _check_references(transaction: BaseDBAsyncClient) -> None:
    if transaction.capabilities.dialect != "sqlite":
        return
    if broken := await transaction.execute_query_dict("PRAGMA foreign_key_check"):
        tables = ", ".join(sorted({row["table"] for row in broken}))
        raise OperatorError(f"The migration would leave rows of {tables} that refer to nothing; nothing was changed")
