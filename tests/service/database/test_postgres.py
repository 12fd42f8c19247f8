# SPDX-License-Identifier: GPL-3.0-or-later
"""The same service on PostgreSQL."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from tortoise.exceptions import IntegrityError
from tortoise.transactions import in_transaction

from hostler.accounts.models import User
from hostler.app import create_app
from hostler.database import Database, DatabaseUnavailable, indexes, rows
from hostler.database.migrate import SchemaTooOld
from hostler.jobs.models import Executor, Job, JobState
from hostler.settings import Settings
from tests.service.conftest import ADMIN_PASSWORD, log_in
from tests.service.database.migrations_there import NAMES
from tests.service.postgres import PostgresServer

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
def settings(settings: Settings, postgres_url: str) -> Settings:
    return Settings(state_dir=settings.state_dir, database_url=postgres_url, admin_password=ADMIN_PASSWORD)


@pytest.fixture
async def migrated(settings: Settings) -> Settings:
    async with Database(settings) as database:
        assert await database.migrate() == NAMES
        assert await database.migrate() == []
    return settings


@pytest.fixture
async def app(migrated: Settings) -> AsyncIterator[FastAPI]:
    app = create_app(migrated)
    async with app.router.lifespan_context(app):
        yield app


async def job(state: str) -> Job:
    return await Job.create(action="vm_start", executor=Executor.DIRECT, vm_id=1, state=state, parameters={"a": [1]})


async def test_a_service_leaves_the_migration_to_its_operator(settings: Settings) -> None:
    app = create_app(settings)

    with pytest.raises(SchemaTooOld, match="hostler migrate"):
        async with app.router.lifespan_context(app):
            pass


async def test_indexes_are_there_and_a_dropped_one_is_noticed(migrated: Settings) -> None:
    async with Database(migrated) as database:
        await indexes.check(database.connection)
        for index in indexes.EXPECTED:
            await database.connection.execute_query(f"DROP INDEX {index.name}")
        assert await indexes.missing(database.connection) == list(indexes.EXPECTED)
        await database.migrate()
        await indexes.check(database.connection)


async def test_two_migrations_at_once_are_one(settings: Settings) -> None:
    code = (
        "import asyncio\n"
        "from hostler import logs\n"
        "from hostler.database import Database\n"
        "from hostler.settings import Settings\n"
        "logs.configure(Settings.load())\n"
        "async def main():\n"
        "    async with Database(Settings.load()) as database:\n"
        "        print(await database.migrate())\n"
        "asyncio.run(main())\n"
    )
    environment = {"HOSTLER_DATABASE_URL": settings.database_url, "HOSTLER_STATE_DIR": str(settings.state_dir)}
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        for _ in range(3)
    ]
    outputs = [await process.communicate() for process in processes]

    assert sorted(out.decode().strip() for out, _ in outputs) == sorted([str(NAMES), "[]", "[]"]), outputs


async def test_login_tokens_and_users_work(client: httpx.AsyncClient) -> None:
    headers = await log_in(client, "admin", ADMIN_PASSWORD)

    token = await client.post("/api/tokens", json={"name": "t", "scopes": ["read", "admin"]}, headers=headers)
    bearer = {"Authorization": f"Bearer {token.json()['token']}"}
    ada = {"username": "ada", "password": "correct horse", "permissions": ["read"]}
    made = await client.post("/api/users", json=ada, headers=bearer)
    assert made.status_code == 201, made.text
    assert made.json()["created_at"].endswith("Z")
    assert (await client.post("/api/users", json=ada | {"username": "ADA"}, headers=bearer)).status_code == 409
    listed = (await client.get("/api/users", headers=bearer)).json()
    assert [user["permissions"] for user in listed["items"]] == [["read", "write", "admin"], ["read"]]
    pair = (await client.post("/api/auth/login", data={"username": "ada", "password": "correct horse"})).json()
    assert (await client.put("/api/users/1", json={"enabled": False}, headers=bearer)).status_code == 400
    second = await client.post("/api/auth/refresh", json={"refresh_token": pair["refresh_token"]})
    assert second.status_code == 200
    reused = await client.post("/api/auth/refresh", json={"refresh_token": pair["refresh_token"]})
    assert reused.status_code == 401
    session = {"Authorization": f"Bearer {second.json()['access_token']}"}
    assert (await client.get("/api/auth/me", headers=session)).status_code == 401


async def test_two_changes_never_leave_no_administrator(app: FastAPI, client: httpx.AsyncClient) -> None:
    headers = await log_in(client, "admin", ADMIN_PASSWORD)
    other = {"username": "other", "password": "correct horse", "permissions": ["admin"]}
    made = (await client.post("/api/users", json=other, headers=headers)).json()
    others = await log_in(client, "other", "correct horse")

    answers = await asyncio.gather(
        client.delete("/api/users/1", headers=others),
        client.delete(f"/api/users/{made['id']}", headers=headers),
    )

    assert sorted(answer.status_code for answer in answers)[0] == 200
    assert await User.filter(enabled=True).count() == 1


async def test_a_vm_has_one_running_job_at_most(app: FastAPI) -> None:
    await job(JobState.RUNNING)
    queued = await job(JobState.QUEUED)

    with pytest.raises(IntegrityError):
        await job(JobState.RUNNING)
    with pytest.raises(IntegrityError):
        async with in_transaction():
            await Job.filter(id=queued.id).update(state=JobState.RUNNING)
    assert (await Job.get(id=queued.id)).parameters == {"a": [1]}


async def test_hand_written_queries_take_percent_signs_and_values(app: FastAPI) -> None:
    await job(JobState.QUEUED)

    found = await rows("SELECT id FROM job WHERE action LIKE 'vm_%' AND state = ? AND vm_id = ?", "queued", 1)

    assert len(found) == 1


async def test_two_services_share_a_database(app: FastAPI, migrated: Settings) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hostler", "serve", "--port", "0"),
        env={
            "HOSTLER_DATABASE_URL": migrated.database_url,
            "HOSTLER_STATE_DIR": str(migrated.state_dir / "second"),
            "HOSTLER_SIGNING_KEY": "k" * 32,
        },
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None

    assert b"is listening on" in await process.stdout.readline()

    process.terminate()
    await process.communicate()


async def test_a_restart_of_the_server_is_a_503_and_then_forgotten(
    client: httpx.AsyncClient, postgres_server: PostgresServer
) -> None:
    headers = await log_in(client, "admin", ADMIN_PASSWORD)
    postgres_server.stop()
    try:
        gone = await client.get("/readyz")
        with pytest.raises(DatabaseUnavailable):
            async with in_transaction():
                pass
    finally:
        postgres_server.start()

    assert gone.status_code == 503
    for _ in range(20):
        back = await client.get("/api/auth/me", headers=headers)
        if back.status_code == 200:
            break
        assert back.status_code == 503
        await asyncio.sleep(0.25)
    assert back.status_code == 200


async def test_a_task_whose_transaction_could_not_begin_goes_on_outside_of_it(
    app: FastAPI, postgres_server: PostgresServer
) -> None:
    postgres_server.stop()
    try:
        with pytest.raises(DatabaseUnavailable):
            async with in_transaction():
                pass
    finally:
        postgres_server.start()

    for _ in range(20):
        try:
            assert await User.all().count() == 1
            break
        except DatabaseUnavailable:
            await asyncio.sleep(0.25)
    else:
        raise AssertionError("the task never got through again")
    await job(JobState.QUEUED)


async def test_a_task_that_is_canceled_while_it_asks_or_writes_ends(app: FastAPI) -> None:
    """What psycopg waits by loses a cancelation once in a while, on Python 3.11."""

    async def ask_for_ever() -> None:
        while True:
            await rows("SELECT 1 AS one")

    async def write_for_ever() -> None:
        while True:
            async with in_transaction():
                await rows("SELECT 1 AS one")

    canceled = []
    for number in range(400):
        task = asyncio.create_task((ask_for_ever if number % 2 else write_for_ever)())
        for _ in range(number % 40):
            await asyncio.sleep(0)
        task.cancel()
        canceled.append(task)
    _, going_on = await asyncio.wait(canceled, timeout=20)

    for task in going_on:
        task.cancel()
    assert not going_on
    assert (await rows("SELECT 1 AS one"))[0]["one"] == 1
