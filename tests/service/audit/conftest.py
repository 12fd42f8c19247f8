# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the audit's tests: entries by their action, and a database that anybody may write to by SQL."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from hostler.audit.chain import entries
from hostler.database import Database
from hostler.settings import Settings
from tests.service.conftest import DATABASE
from tests.service.hostile.conftest import all_headers, everything, settings, test_server, test_vm

__all__ = ["all_headers", "database", "everything", "settings", "test_server", "test_vm"]


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied."""
    settings = Settings(state_dir=tmp_path_factory.mktemp("migrated"))

    async def migrate() -> None:
        async with Database(settings) as database:
            await database.migrate()

    asyncio.run(migrate())
    return settings.state_dir / "hostler.sqlite3"


@pytest.fixture
async def database(settings: Settings, migrated_file: Path) -> AsyncIterator[Database]:
    """A new database, with no service; its chain has the entry of its migration."""
    if DATABASE == "sqlite":
        settings.make_state_dir()
        shutil.copy(migrated_file, settings.state_dir / migrated_file.name)
    async with Database(settings) as database:
        await database.migrate()
        yield database


async def audited(action: str | None = None) -> list[dict[str, Any]]:
    """The entries of that action, or all, in the order of the chain."""
    return [entry async for entry, _ in entries() if action in (None, entry["action"])]


async def last(action: str) -> dict[str, Any]:
    """The newest entry of that action."""
    return (await audited(action))[-1]


async def unguarded(database: Database) -> None:
    """Drop what keeps the table append-only, as whoever owns the database can."""
    names = ["changed", "deleted", "added", "prunes"] if DATABASE == "sqlite" else ["changed", "deleted", "added"]
    for name in names:
        of_table = "" if DATABASE == "sqlite" else " ON audit_entry"
        await database.connection.execute_query(f"DROP TRIGGER audit_entry_{name}{of_table}")


async def counted(app: FastAPI) -> None:
    """Have the denials that were only counted so far written, as the end of their minute does."""
    await app.state.denials.write()
