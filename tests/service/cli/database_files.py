# SPDX-License-Identifier: GPL-3.0-or-later
"""The database of a service that was in use, its backup, and what is in such files."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hostler.settings import Settings
from tests.service.cli.command import Hostler, succeeded
from tests.service.conftest import ADMIN_PASSWORD
from tests.service.database import full


@pytest.fixture
def database_url() -> str:
    """What is backed up is SQLite, whatever the other tests do."""
    return ""


@pytest.fixture(scope="module")
def filled(quick_passwords: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state directory of a service that was in use."""
    settings = Settings(state_dir=tmp_path_factory.mktemp("filled"), admin_password=ADMIN_PASSWORD)
    asyncio.run(full.fill(settings))
    return settings.state_dir


@pytest.fixture
def database(filled: Path, settings: Settings) -> Path:
    """The database of a service that is stopped."""
    shutil.copytree(filled, settings.state_dir)
    return settings.state_dir / "hostler.sqlite3"


@pytest.fixture
def backup(database: Path, tmp_path: Path, hostler: Hostler) -> Path:
    """A backup of it, with its keys."""
    file = tmp_path / "backups" / "hostler.sqlite3"
    file.parent.mkdir()
    succeeded(hostler("db", "backup", str(file), "--with-keys"))
    return file


def dump(file: Path) -> list[str]:
    """All that a database has, as SQL, but for the numbers that ids are counted by."""
    with closing(sqlite3.connect(file)) as connection:
        # what full-text search keeps for itself can't be said in SQL
        return [line for line in connection.iterdump() if "vm_search" not in line and "sqlite_sequence" not in line]


def is_restored(file: Path, before: list[str]) -> bool:
    """Whether it has what it had before, and one entry in its audit that says how that came."""
    after = dump(file)
    (says,) = set(after) - set(before)
    return "'cli'" in says and "'database.restore'" in says and [line for line in after if line != says] == before


def counters(file: Path) -> dict[str, int]:
    with closing(sqlite3.connect(file)) as connection:
        return dict(connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall())


def change(file: Path, *statements: str) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.create_function("UPPER", 1, str.upper)
        for statement in statements:
            connection.execute(statement)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def kept(database: Path) -> list[Path]:
    return sorted(database.parent.glob(f"{database.name}.replaced-*"))
