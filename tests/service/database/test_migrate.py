# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations: they give what the models say, all or nothing, and keep rows, references, ids and indexes."""

from __future__ import annotations

import importlib
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest
from tortoise.migrations.executor import MigrationTarget

from hostler.accounts.models import ApiToken, RefreshToken, User
from hostler.database import Database, config, indexes
from hostler.database.lock import DatabaseInUse, service_lock
from hostler.database.makemigrations import missing_migrations
from hostler.database.migrate import SchemaTooNew, migrate
from hostler.errors import OperatorError
from hostler.settings import Settings
from tests.service.database.migrations_there import NAMES

pytestmark = pytest.mark.anyio

Later = Callable[[str], dict[str, object]]


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    async with Database(settings) as database:
        yield database


@pytest.fixture
def later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Later:
    """Make a package of migrations that has ours and one more, with the given operations; returns Tortoise's apps."""

    def make(operations: str) -> dict[str, object]:
        package = tmp_path / "later_migrations"
        package.mkdir()
        (package / "__init__.py").write_text("")
        ours = Path(importlib.import_module(config.MIGRATIONS).__path__[0])
        names = sorted(path.stem for path in ours.glob("0*.py"))
        for name in names:
            (package / f"{name}.py").write_text((ours / f"{name}.py").read_text())
        (package / "9999_later.py").write_text(
            "from tortoise import fields, migrations\n"
            "from tortoise.migrations import operations as ops\n"
            "class Migration(migrations.Migration):\n"
            f"    dependencies = [('hostler', {names[-1]!r})]\n"
            f"    operations = [{operations}]\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        for name in [name for name in sys.modules if name.startswith("later_migrations")]:
            monkeypatch.delitem(sys.modules, name)
        importlib.invalidate_caches()
        apps: dict[str, object] = config.parse("sqlite:///unused").tortoise("later_migrations")["apps"]
        return apps

    return make


REBUILD = "ops.AlterField('User', 'username', fields.CharField(max_length=64, null=True))"


async def test_migrations_and_models_agree() -> None:
    assert [writer.as_string() for writer in await missing_migrations()] == []


async def test_a_second_migrate_has_nothing_to_do(database: Database) -> None:
    assert await database.migrate() == NAMES
    assert await database.pending() == []
    assert await database.migrate() == []


async def test_every_migration_can_be_reached_and_the_last_has_every_index(database: Database) -> None:
    apps = database.url.tortoise()["apps"]
    for name in await database.pending():
        await migrate(database.connection, apps, [MigrationTarget(config.APP, name)])
        assert name not in await database.pending()
    await database.migrate()

    await indexes.check(database.connection)


async def test_no_description_breaks_the_statement_that_tortoise_splits_at_semicolons() -> None:
    models = [module for name in config.MODELS for module in vars(importlib.import_module(name)).values()]
    for model in models:
        if meta := getattr(model, "_meta", None):
            texts = [field.description or "" for field in meta.fields_map.values()]
            assert not [text for text in [*texts, meta.table_description or ""] if ";" in text or "*/" in text], model


async def test_a_rebuilt_table_keeps_its_rows_references_ids_and_indexes(database: Database, later: Later) -> None:
    await database.migrate()
    ada, eve = [
        await User.create(username=name, username_key=name, password_hash="-", permissions=["read"])
        for name in ("ada", "eve")
    ]
    await ApiToken.create(name="t", prefix="p", token_hash="h", user=ada, scopes=["read"])
    await RefreshToken.create(token_hash="h", family="f", user=ada, expires_at=ada.created_at)
    await eve.delete()

    applied = await migrate(database.connection, later(REBUILD))

    assert applied == ["9999_later"]
    assert [(user.id, user.username, user.permissions) for user in await User.all()] == [(ada.id, "ada", ["read"])]
    # with foreign keys enforced during the rebuild these would have gone with the old table
    assert await ApiToken.all().count() == await RefreshToken.all().count() == 1
    await indexes.check(database.connection)
    new = await User.create(username="new", username_key="new", password_hash="-", permissions=[])
    assert new.id > eve.id
    await ada.delete()
    assert await ApiToken.all().count() == await RefreshToken.all().count() == 0


async def test_a_failing_migration_changes_nothing(database: Database, later: Later) -> None:
    await database.migrate()
    before = await database.connection.execute_query_dict("SELECT name, sql FROM sqlite_master ORDER BY name")
    apps = later(REBUILD + ", ops.RunSQL('DROP TABLE no_such_table')")

    with pytest.raises(Exception, match="no_such_table"):
        await migrate(database.connection, apps)

    assert await database.connection.execute_query_dict("SELECT name, sql FROM sqlite_master ORDER BY name") == before
    assert await database.pending() == []
    # and the connection enforces references again
    (row,) = await database.connection.execute_query_dict("PRAGMA foreign_keys")
    assert row == {"foreign_keys": 1}


async def test_a_migration_that_breaks_a_reference_changes_nothing(database: Database, later: Later) -> None:
    await database.migrate()
    ada = await User.create(username="ada", username_key="ada", password_hash="-", permissions=[])
    await ApiToken.create(name="t", prefix="p", token_hash="h", user=ada, scopes=[])

    with pytest.raises(OperatorError, match="api_token"):
        await migrate(database.connection, later("ops.RunSQL('DELETE FROM user_account')"))

    assert await User.all().count() == 1


async def test_a_database_of_a_newer_version_is_left_alone(
    database: Database, later: Later, settings: Settings
) -> None:
    await migrate(database.connection, later("ops.RunSQL('SELECT 1')"))

    with pytest.raises(SchemaTooNew, match="9999_later"):
        await database.pending()
    with pytest.raises(SchemaTooNew):
        await database.migrate()


async def test_migrate_repairs_indexes(database: Database) -> None:
    await database.migrate()
    await database.connection.execute_query("DROP INDEX vm_running_job")

    assert await database.migrate() == []

    await indexes.check(database.connection)


async def test_nothing_is_migrated_under_a_running_service(database: Database) -> None:
    assert database.url.file is not None
    with service_lock(database.url.file), pytest.raises(DatabaseInUse, match="stop it first"):
        await database.migrate()

    with closing(sqlite3.connect(database.url.file)) as connection, connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    connection.close()
