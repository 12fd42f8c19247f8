# SPDX-License-Identifier: GPL-3.0-or-later
"""``hostler db restore``."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from hostler.database.restoring import GAP
from tests.service.cli.command import Hostler, succeeded
from tests.service.cli.database_files import (
    backup,
    change,
    counters,
    database,
    database_url,
    dump,
    files,
    filled,
    is_restored,
    kept,
)
from tests.service.conftest import ADMIN_PASSWORD
from tests.service.serving import Serve, read_until

__all__ = ["backup", "database", "database_url", "filled"]


def test_everything_is_as_it_was_and_what_was_there_is_kept(
    database: Path, backup: Path, hostler: Hostler, serve: Serve
) -> None:
    before = dump(database)
    change(database, "UPDATE vm SET description = 'later'")
    later = dump(database)

    said = succeeded(hostler("db", "restore", str(backup)))

    assert is_restored(database, before)
    assert "are as they were written" in succeeded(hostler("audit", "verify"))
    assert stat.S_IMODE(database.stat().st_mode) == 0o600
    (replaced,) = kept(database)
    assert dump(replaced) == later
    assert f"What was there is kept as {replaced}" in said
    assert not [name for name in files(database.parent) if name.endswith(".part")]
    url = read_until(serve(), r"is listening on (\S+)$")[1]
    form = {"username": "admin", "password": ADMIN_PASSWORD}
    assert httpx.post(f"{url}/api/auth/login", data=form).status_code == 200


def test_it_refuses_beside_a_service(database: Path, backup: Path, hostler: Hostler, serve: Serve) -> None:
    process = serve()
    read_until(process, "is listening on")

    refused = hostler("db", "restore", str(backup))

    assert refused.returncode == 1
    assert f"Another hostler service (process {process.pid})" in refused.stderr
    assert kept(database) == []


def test_it_refuses_beside_a_command_that_has_the_database_open(database: Path, backup: Path, hostler: Hostler) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL").fetchone()
        connection.execute("SELECT COUNT(*) FROM vm").fetchone()

        refused = hostler("db", "restore", str(backup))

    assert "Another process has the database" in refused.stderr
    assert kept(database) == []


def test_one_of_a_newer_version_is_refused(database: Path, backup: Path, hostler: Hostler) -> None:
    before = dump(database)
    change(backup, "INSERT INTO tortoise_migrations (app, name, applied_at) VALUES ('hostler', '9999_later', '2026')")

    refused = hostler("db", "restore", str(backup))

    assert "A newer hostler has changed this database (9999_later)" in refused.stderr
    assert dump(database) == before
    assert kept(database) == []


def test_one_of_an_older_version_is_brought_up_to_date_by_the_next_start(
    tmp_path: Path, hostler: Hostler, serve: Serve
) -> None:
    old = tmp_path / "old.sqlite3"
    code = (
        "import asyncio\n"
        "from tortoise.migrations.executor import MigrationTarget\n"
        "from hostler.database import Database\n"
        "from hostler.database.migrate import migrate\n"
        "from hostler.settings import Settings\n"
        "async def main():\n"
        "    async with Database(Settings.load()) as database:\n"
        "        apps = database.url.tortoise()['apps']\n"
        "        await migrate(database.connection, apps, [MigrationTarget('hostler', '0001_initial')])\n"
        "asyncio.run(main())\n"
    )
    environment = {"HOSTLER_STATE_DIR": str(tmp_path / "older"), "PATH": os.environ["PATH"]}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    shutil.copy(tmp_path / "older" / "hostler.sqlite3", old)

    said = succeeded(hostler("db", "restore", str(old)))

    assert re.search("of an older version; 'hostler serve' or 'hostler migrate' applies 0002_", said)
    read_until(serve(), "is listening on")


@pytest.mark.parametrize("damage", ["cut", "page", "text", "foreign"])
def test_a_bad_backup_is_refused(database: Path, backup: Path, hostler: Hostler, damage: str) -> None:
    before, content = dump(database), bytearray(backup.read_bytes())
    if damage == "cut":
        backup.write_bytes(content[: len(content) // 2])
    elif damage == "page":
        content[4096 * 20 : 4096 * 21] = b"\xff" * 4096
        backup.write_bytes(content)
    elif damage == "text":
        backup.write_text("a list of things to do\n" * 500)
    else:
        backup.unlink()
        change(backup, "CREATE TABLE vm (id INTEGER)")

    refused = hostler("db", "restore", str(backup))

    assert refused.returncode == 1
    assert re.match(r"hostler: The (database|file) \S+ (is damaged|can't be read|is no database of)", refused.stderr)
    assert dump(database) == before
    assert kept(database) == []


def test_a_damaged_database_is_replaced_and_kept_with_all_that_is_beside_it(
    database: Path, backup: Path, hostler: Hostler
) -> None:
    before = dump(database)
    database.write_bytes(b"\xff" * 10_000)
    database.with_name("hostler.sqlite3-wal").write_bytes(b"its log")

    succeeded(hostler("db", "restore", str(backup)))

    assert is_restored(database, before)
    replaced, log = kept(database)
    assert replaced.read_bytes() == b"\xff" * 10_000
    assert log.name == f"{replaced.name}-wal"
    assert log.read_bytes() == b"its log"


def test_no_id_that_was_given_since_is_given_again(database: Path, backup: Path, hostler: Hostler) -> None:
    before = counters(database)
    change(database, "UPDATE sqlite_sequence SET seq = seq + 7 WHERE name IN ('vm', 'event')")

    succeeded(hostler("db", "restore", str(backup)))

    assert counters(database) == before | {"vm": before["vm"] + 7, "event": before["event"] + 7}


def test_a_table_that_had_no_row_yet_gives_no_id_again_either(database: Path, backup: Path, hostler: Hostler) -> None:
    change(backup, "DELETE FROM schedule", "DELETE FROM sqlite_sequence WHERE name = 'schedule'")
    database.unlink()

    succeeded(hostler("db", "restore", str(backup)))

    assert counters(database)["schedule"] == GAP


LOSSES = {
    "job": ("PRAGMA foreign_keys = OFF", "DROP TABLE job"),
    "audit_entry": ("DROP TABLE audit_entry",),
    "tortoise_migrations": (
        "DROP TABLE tortoise_migrations",
        "CREATE TABLE tortoise_migrations (app TEXT)",
        "INSERT INTO tortoise_migrations VALUES ('hostler')",
    ),
}


@pytest.mark.parametrize("lost", LOSSES)
def test_a_backup_that_lacks_something_is_a_sentence(database: Path, backup: Path, hostler: Hostler, lost: str) -> None:
    before = dump(database)
    change(backup, *LOSSES[lost])

    refused = hostler("db", "restore", str(backup))

    assert refused.returncode == 1
    assert refused.stderr.startswith("hostler: ")
    assert "Traceback" not in refused.stderr
    assert dump(database) == before


def test_where_nobody_knows_which_ids_were_given_some_are_passed_over(
    database: Path, backup: Path, hostler: Hostler
) -> None:
    before = counters(backup)
    database.unlink()

    succeeded(hostler("db", "restore", str(backup)))

    assert counters(database) == {name: highest + GAP for name, highest in before.items()}


def test_keys_that_do_not_open_its_secrets_are_told_of_and_can_be_restored(
    database: Path, backup: Path, hostler: Hostler
) -> None:
    sealing = database.parent / "sealing-keys.json"
    old = sealing.read_text()
    sealing.unlink()
    lost = hostler("db", "restore", str(backup))
    assert "does not open the secrets of credential 'site', webhook 1: bring back" in lost.stderr
    assert not sealing.exists()
    sealing.write_text(old.replace('"active"', '"active" '))
    sealing.chmod(0o600)

    said = hostler("db", "restore", str(backup), "--with-keys")

    assert said.returncode == 0
    assert "does not open" not in said.stderr
    assert sealing.read_text() == old
    assert stat.S_IMODE(sealing.stat().st_mode) == 0o600
    assert len(list(sealing.parent.glob("sealing-keys.json.replaced-*"))) == 1


@pytest.mark.parametrize("wrong", ["keys", "place"])
def test_keys_that_can_not_be_restored_leave_the_database_as_it_is(
    database: Path, backup: Path, hostler: Hostler, wrong: str
) -> None:
    signing = database.parent / "signing-keys.json"
    copy = backup.with_name(f"{backup.name}.signing-keys.json")
    if wrong == "keys":
        copy.write_text("{}")
    else:
        signing.unlink()
        signing.mkdir()
    change(database, "UPDATE vm SET description = 'later'")
    before, names = dump(database), files(database.parent)

    refused = hostler("db", "restore", str(backup), "--with-keys")

    assert refused.returncode == 1
    assert re.match(rf"hostler: The keys {copy} (are not a JSON|can't be restored)", refused.stderr), refused.stderr
    assert dump(database) == before
    assert files(database.parent) - {"hostler.sqlite3.lock"} == names - {"hostler.sqlite3.lock"}


def test_jobs_that_waited_are_canceled_and_so_is_what_waited_for_them(
    database: Path, backup: Path, hostler: Hostler
) -> None:
    insert = (
        "INSERT INTO job (id, action, executor, state, progress, progress_text, actor_name, parameters, "
        "generation, attempt, created_at, parent_id, sealed) VALUES (%s, %s, 'direct', %s, 0, '', '', '{}', 0, 0, "
        "'2026-01-01 00:00:00+00:00', %s, %s)"
    )
    change(
        backup,
        "DELETE FROM job",
        insert % (1, "'vm_start'", "'queued'", "NULL", "'a secret'"),
        insert % (2, "'vm_many'", "'running'", "NULL", "NULL"),
        insert % (3, "'vm_start'", "'queued'", 2, "NULL"),
        insert % (4, "'vm_start'", "'succeeded'", 2, "NULL"),
        insert % (5, "'vm_many'", "'running'", "NULL", "NULL"),
        insert % (6, "'vm_start'", "'running'", 5, "NULL"),
        insert % (7, "'vm_start'", "'queued'", 5, "NULL"),
    )

    said = succeeded(hostler("db", "restore", str(backup)))

    assert "Jobs that waited when the backup was made, and are canceled: 3\n" in said
    with closing(sqlite3.connect(database)) as connection:
        found = connection.execute("SELECT state, error_code, sealed, finished_at IS NULL FROM job ORDER BY id")
        canceled, running = ("canceled", "restored", None, 0), ("running", None, None, 1)
        succeeded_one = ("succeeded", None, None, 1)
        assert found.fetchall() == [canceled, canceled, canceled, succeeded_one, running, running, canceled]
        (result,) = connection.execute("SELECT result FROM job WHERE id = 2").fetchone()
    assert json.loads(result) == {"queued": 0, "running": 0, "succeeded": 1, "failed": 0, "canceled": 1}


def test_keys_that_are_not_there_are_a_sentence(database: Path, backup: Path, hostler: Hostler) -> None:
    for name in ("sealing-keys.json", "signing-keys.json"):
        backup.with_name(f"{backup.name}.{name}").unlink()

    refused = hostler("db", "restore", str(backup), "--with-keys")

    assert "There are no keys beside the backup that are of use here" in refused.stderr
    assert kept(database) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_root_restores_the_services_user_can_use(database: Path, backup: Path, hostler: Hostler) -> None:
    shutil.rmtree(database.parent)
    database.parent.mkdir(mode=0o700)
    os.chown(database.parent, 65534, 65534)

    succeeded(hostler("db", "restore", str(backup), "--with-keys"))

    assert {path.name: path.stat().st_uid for path in database.parent.iterdir()} == {
        "hostler.sqlite3": 65534,
        "hostler.sqlite3.lock": 65534,
        "sealing-keys.json": 65534,
        "signing-keys.json": 65534,
    }


def test_what_is_not_there_can_not_be_restored(database: Path, tmp_path: Path, hostler: Hostler) -> None:
    assert "There is no database" in hostler("db", "restore", str(tmp_path / "none")).stderr
    nowhere = {"HOSTLER_DATABASE_URL": f"sqlite://{tmp_path}/no/such.sqlite3"}
    assert "There is no folder" in hostler("db", "restore", str(database), **nowhere).stderr
