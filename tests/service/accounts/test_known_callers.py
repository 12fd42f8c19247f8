# SPDX-License-Identifier: GPL-3.0-or-later
"""A caller who was known a moment ago is asked for again after every commit, whoever made it."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from hostler.accounts.known_callers import KnownCallers
from hostler.accounts.models import ApiToken, User
from hostler.database import Database, version_now
from hostler.permission import Caller, Credential, Permission
from hostler.settings import Settings
from tests.service.conftest import DATABASE, Headers

pytestmark = pytest.mark.anyio

ADA = Caller(1, "ada", frozenset({Permission.READ}), Credential.SESSION, "s")


async def status(client: httpx.AsyncClient, headers: Headers) -> int:
    return (await client.get("/api/auth/me", headers=headers)).status_code


def write_from_outside(settings: Settings, statement: str) -> None:
    """Write as another program does, which tells the service nothing."""
    if DATABASE == "sqlite":
        import sqlite3

        with closing(sqlite3.connect(settings.state_dir / "hostler.sqlite3")) as other, other:
            other.execute(statement)
        other.close()
    else:
        with psycopg.connect(settings.database_url) as connection:
            connection.execute(statement.encode())


@pytest.mark.rule("sessions-end")
@pytest.mark.parametrize(
    "deed",
    [
        "UPDATE user_account SET enabled = false",
        "UPDATE user_account SET session_epoch = session_epoch + 1",
        "UPDATE refresh_token SET revoked_at = '2026-01-01 00:00:00+00:00'",
        "DELETE FROM user_account",
    ],
)
async def test_a_session_that_another_program_ends_is_over_at_the_next_request(
    client: httpx.AsyncClient, admin_headers: Headers, settings: Settings, deed: str
) -> None:
    assert [await status(client, admin_headers) for _ in range(3)] == [200, 200, 200]

    write_from_outside(settings, deed)

    assert await status(client, admin_headers) == 401


@pytest.mark.rule("sessions-end")
@pytest.mark.parametrize(
    "deed",
    [
        "UPDATE user_account SET enabled = false",
        "UPDATE api_token SET revoked_at = '2026-01-01 00:00:00+00:00'",
        "UPDATE api_token SET expires_at = '2026-01-01 00:00:00+00:00'",
        "DELETE FROM api_token",
    ],
)
async def test_a_token_that_another_program_ends_is_no_good_at_the_next_request(
    client: httpx.AsyncClient, read_headers: Headers, settings: Settings, deed: str
) -> None:
    assert [await status(client, read_headers) for _ in range(3)] == [200, 200, 200]

    write_from_outside(settings, deed)

    assert await status(client, read_headers) == 401


async def test_a_permission_that_is_taken_away_is_gone_at_the_next_request(
    client: httpx.AsyncClient, read_headers: Headers, settings: Settings
) -> None:
    assert (await client.get("/api/vms", headers=read_headers)).status_code == 200

    write_from_outside(settings, "UPDATE user_account SET permissions = '[]'")

    assert (await client.get("/api/vms", headers=read_headers)).status_code == 403


async def test_a_token_expires_though_nothing_is_written(app: FastAPI, client: httpx.AsyncClient) -> None:
    known = KnownCallers()
    known.put("t", 1, ADA, datetime.now(UTC) + timedelta(hours=1))
    known.put("over", 1, ADA, datetime.now(UTC))

    assert known.get("t", 1) == ADA
    assert known.get("over", 1) is None


async def test_nobody_is_known_of_another_version_or_of_none() -> None:
    known = KnownCallers()
    known.put("t", 1, ADA)
    known.put("unknown", None, ADA)

    assert (known.get("t", 1), known.get("t", 2), known.get("t", None)) == (ADA, None, None)
    assert known.get("unknown", None) is None


async def test_each_use_of_a_token_is_noted_whether_it_was_known_or_not(
    app: FastAPI, client: httpx.AsyncClient, read_headers: Headers
) -> None:
    await status(client, read_headers)
    await app.state.accounts.token_use.write()
    (before,) = await ApiToken.all()
    for _ in range(2):
        await status(client, read_headers)
        await status(client, read_headers)
        await app.state.accounts.token_use.write()

    (after,) = await ApiToken.all()
    assert before.last_used_at is not None
    assert after.last_used_at is not None
    assert after.last_used_at > before.last_used_at


@pytest.mark.skipif(DATABASE != "sqlite", reason="PostgreSQL's version can't be told without asking it")
async def test_the_version_is_another_after_every_commit_and_the_same_without(settings: Settings) -> None:
    async with Database(settings) as database:
        await database.migrate()
        first = version_now()
        assert first is not None
        assert version_now() == first
        user = await User.create(username="a", username_key="a", password_hash="-", permissions=[])
        second = version_now()
        write_from_outside(settings, "UPDATE user_account SET enabled = false")
        third = version_now()
        await User.get(id=user.id)

        assert len({first, second, third}) == 3
        assert version_now() == third
