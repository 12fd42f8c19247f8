# SPDX-License-Identifier: GPL-3.0-or-later
"""The indexes that keep the database right, and the check that they are there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tortoise.exceptions import IntegrityError

from hostler.accounts.models import User
from hostler.database import Database, indexes, rows
from hostler.jobs.models import Executor, Job, JobState
from hostler.settings import Settings

pytestmark = pytest.mark.anyio


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    async with Database(settings).for_service() as database:
        yield database


async def job(**values: Any) -> Job:
    return await Job.create(action="vm_start", executor=Executor.DIRECT, **values)


@pytest.mark.parametrize("index", indexes.EXPECTED, ids=lambda index: index.name)
async def test_a_dropped_index_is_noticed(database: Database, index: indexes.Index) -> None:
    await indexes.check(database.connection)
    await database.connection.execute_query(f"DROP INDEX {index.name}")

    with pytest.raises(indexes.IndexesMissing, match=f"{index.name}.*hostler migrate"):
        await indexes.check(database.connection)


@pytest.mark.parametrize(
    "other",
    [
        "CREATE INDEX vm_running_job ON job (vm_id) WHERE state = 'running' AND vm_id IS NOT NULL",
        "CREATE UNIQUE INDEX vm_running_job ON job (vm_id) WHERE state = 'queued' AND vm_id IS NOT NULL",
        "CREATE UNIQUE INDEX vm_running_job ON job (vm_id, state) WHERE state = 'running' AND vm_id IS NOT NULL",
        "CREATE UNIQUE INDEX vm_running_job ON job (server_id) WHERE state = 'running' AND vm_id IS NOT NULL",
    ],
)
async def test_another_index_of_the_same_name_is_noticed_and_replaced(database: Database, other: str) -> None:
    await database.connection.execute_query("DROP INDEX vm_running_job")
    await database.connection.execute_query(other)

    with pytest.raises(indexes.IndexesMissing, match="vm_running_job"):
        await indexes.check(database.connection)
    assert [index.name for index in await indexes.make_missing(database.connection)] == ["vm_running_job"]
    await indexes.check(database.connection)


async def test_a_service_does_not_start_without_an_index(settings: Settings) -> None:
    async with Database(settings).for_service() as database:
        await database.connection.execute_query("DROP INDEX vm_running_job")

    with pytest.raises(indexes.IndexesMissing):
        async with Database(settings).for_service():
            pass


async def test_a_vm_has_one_running_job_at_most(database: Database) -> None:
    await job(vm_id=1, state=JobState.RUNNING)
    await job(vm_id=1, state=JobState.QUEUED)
    await job(vm_id=1, state=JobState.SUCCEEDED)
    await job(vm_id=2, state=JobState.RUNNING)

    with pytest.raises(IntegrityError):
        await job(vm_id=1, state=JobState.RUNNING)
    with pytest.raises(IntegrityError):
        await Job.filter(vm_id=1, state=JobState.QUEUED).update(state=JobState.RUNNING)


async def test_jobs_without_a_vm_run_side_by_side(database: Database) -> None:
    await job(state=JobState.RUNNING)
    await job(state=JobState.RUNNING)

    assert await Job.filter(state=JobState.RUNNING).count() == 2


async def test_an_idempotency_key_means_one_job_of_an_actor_and_action(database: Database) -> None:
    ada, eve = [
        await User.create(username=name, username_key=name, password_hash="-", permissions=[]) for name in ("a", "e")
    ]
    await job(actor=ada, idempotency_key="k")
    await job(actor=eve, idempotency_key="k")
    await job(actor=ada, idempotency_key="l")
    await job(actor=ada)
    await job(actor=ada)

    with pytest.raises(IntegrityError):
        await job(actor=ada, idempotency_key="k")


async def test_a_filtered_list_reads_an_index_in_the_order_of_ids(database: Database) -> None:
    for table, column in (("vm", "status"), ("vm", "os_type"), ("vm", "server_id"), ("job", "state"), ("job", "vm_id")):
        found = await database.connection.execute_query_dict(
            f"EXPLAIN QUERY PLAN SELECT * FROM {table} WHERE {column} = ? ORDER BY id LIMIT 20",  # noqa: S608 - ours
            ["1"],
        )
        plan = " ".join(row["detail"] for row in found)
        assert "USING INDEX" in plan, (table, column, plan)
        assert "TEMP B-TREE" not in plan, (table, column, plan)


async def test_rows_takes_values_that_look_like_sql_as_values(database: Database) -> None:
    hostile = "100% '?' \"x\"; DROP TABLE job"
    await job(vm_name=hostile)

    found = await rows("SELECT id FROM job WHERE vm_name = ? AND vm_name LIKE '100%'", hostile)

    assert len(found) == 1
