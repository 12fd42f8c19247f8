# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL's own tools, as docs/operations.md and `hostler db` have them, by a user that owns as little as it can."""

from __future__ import annotations

import asyncio
import re
import shlex
import subprocess
import uuid
from pathlib import Path

import psycopg
import pytest

from hostler.accounts.models import User
from hostler.audit.chain import verify
from hostler.database import Database
from hostler.database.backup import NotSqlite, back_up
from hostler.database.restoring import restore
from hostler.settings import Settings
from tests.service.postgres import PostgresServer

pytestmark = pytest.mark.slow


def administrate(server: PostgresServer, database: str, *statements: str) -> None:
    with psycopg.connect(server.url(database), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def make(server: PostgresServer, name: str) -> None:
    """Make a database as docs/operations.md says: for the service's user, with an extension that is not its own."""
    administrate(server, "postgres", f"CREATE DATABASE {name} OWNER {name} ENCODING 'UTF8' TEMPLATE template0")
    administrate(server, name, "CREATE EXTENSION pg_trgm")


def run_what_is_said(said: str, tool: str) -> None:
    (found,) = re.findall(rf"{tool} .*", said)
    subprocess.run(shlex.split(found), check=True, capture_output=True)


def test_what_is_said_for_postgresql_backs_it_up_and_restores_it(
    postgres_server: PostgresServer, settings: Settings, tmp_path: Path
) -> None:
    name, file = f"user_{uuid.uuid4().hex}", tmp_path / "hostler.dump"
    administrate(postgres_server, "postgres", f"CREATE ROLE {name} LOGIN")
    make(postgres_server, name)
    url = postgres_server.url(name).replace("postgres://hostler@", f"postgres://{name}@")
    settings = settings.model_copy(update={"database_url": url})

    async def fill() -> None:
        async with Database(settings) as database:
            await database.migrate()
            await User.create(username="ada", username_key="ada", password_hash="-", permissions=[])

    async def found() -> tuple[list[str], str | None]:
        async with Database(settings).for_service():
            return [user.username for user in await User.all()], (await verify()).problem

    asyncio.run(fill())
    with pytest.raises(NotSqlite) as refused:
        back_up(settings, file)
    run_what_is_said(str(refused.value), "pg_dump")
    administrate(postgres_server, "postgres", f"ALTER DATABASE {name} RENAME TO {name}_replaced")
    make(postgres_server, name)

    with pytest.raises(NotSqlite) as refused:
        restore(settings, file)
    run_what_is_said(str(refused.value), "pg_restore")

    assert asyncio.run(found()) == (["ada"], None)
