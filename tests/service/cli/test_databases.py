# SPDX-License-Identifier: GPL-3.0-or-later
"""``hostler db backup`` and ``hostler db restore``."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from hostler.database.restoring import GAP
from hostler.settings import Settings
from tests.service.cli.command import Hostler, succeeded
from tests.service.conftest import ADMIN_PASSWORD, USER_PASSWORD
from tests.service.database import full
from tests.service.serving import Serve, read_until


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


class TestBackup:
    def test_it_is_whole_while_a_service_is_written_to(self, serve: Serve, hostler: Hostler, tmp_path: Path) -> None:
        url = read_until(serve(HOSTLER_ADMIN_PASSWORD=ADMIN_PASSWORD), r"is listening on (\S+)$")[1]
        login = httpx.post(f"{url}/api/auth/login", data={"username": "admin", "password": ADMIN_PASSWORD})
        headers = {"Authorization": f"Bearer {login.json()['access_token']}"}
        stopping, made, failed = threading.Event(), [0], []

        def write() -> None:
            with httpx.Client(base_url=url, headers=headers) as client:
                while not stopping.is_set():
                    body = {"username": f"user{made[0]}", "password": USER_PASSWORD, "permissions": []}
                    answer = client.post("/api/users", json=body)
                    failed.extend([answer.text] if answer.status_code != 201 else [])
                    made[0] += 1

        writer = threading.Thread(target=write)
        writer.start()
        seen = []
        try:
            for number in range(3):
                before = made[0]
                file = tmp_path / f"backup{number}"
                said = hostler("db", "backup", str(file))
                assert f"Wrote {file} ({file.stat().st_size} bytes), and checked it" in succeeded(said)
                with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
                    (users,) = connection.execute("SELECT COUNT(*) FROM user_account").fetchone()
                    assert before <= users - 1 <= made[0]
                    seen.append(users)
        finally:
            stopping.set()
            writer.join()

        assert failed == []
        assert seen[0] < seen[2]  # it was written to meanwhile
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert {name for name in files(tmp_path) if "backup" in name} == {"backup0", "backup1", "backup2"}

    def test_it_has_everything(self, database: Path, backup: Path) -> None:
        assert dump(backup) == dump(database)
        assert counters(backup) == counters(database)

    def test_it_says_loudly_what_it_has_not(self, database: Path, tmp_path: Path, hostler: Hostler) -> None:
        said = hostler("db", "backup", str(tmp_path / "one")).stderr
        assert f"NOT in the backup: {database.parent}/sealing-keys.json; without it credentials" in said
        assert f"NOT in the backup: {database.parent}/signing-keys.json; without it everybody" in said

        said = hostler("db", "backup", str(tmp_path / "two"), HOSTLER_SEALING_KEY="k" * 32).stderr
        assert "NOT in the backup: the setting sealing_key; keep a copy" in said
        assert "sealing-keys.json" not in said
        assert "k" * 32 not in said

    def test_the_keys_go_along_into_files_of_their_own(self, database: Path, backup: Path) -> None:
        assert files(backup.parent) == {
            f"hostler.sqlite3{end}" for end in ("", ".sealing-keys.json", ".signing-keys.json")
        }
        for name in ("sealing-keys.json", "signing-keys.json"):
            copy = backup.with_name(f"hostler.sqlite3.{name}")
            assert copy.read_text() == (database.parent / name).read_text()
            assert stat.S_IMODE(copy.stat().st_mode) == 0o600

    def test_a_file_that_is_there_is_replaced_only_if_told_to(
        self, database: Path, backup: Path, hostler: Hostler
    ) -> None:
        before = backup.read_bytes()
        change(database, "UPDATE vm SET description = 'later'")
        assert f"{backup} is there already; --force replaces it" in hostler("db", "backup", str(backup)).stderr
        assert backup.read_bytes() == before

        succeeded(hostler("db", "backup", str(backup), "--force"))

        assert dump(backup) == dump(database)

    def test_one_that_fails_leaves_the_last_one(self, database: Path, backup: Path, hostler: Hostler) -> None:
        before = backup.read_bytes()
        change(database, "PRAGMA foreign_keys=OFF", "DELETE FROM server")

        failed = hostler("db", "backup", str(backup), "--force")

        assert failed.returncode == 1
        assert "is damaged: row 1 of image refers to a row of server" in failed.stderr
        assert backup.read_bytes() == before
        assert not [name for name in files(backup.parent) if name.endswith(".part")]

    def test_a_database_of_another_version_is_backed_up_as_it_is(
        self, database: Path, tmp_path: Path, hostler: Hostler
    ) -> None:
        for spoil in (
            "DELETE FROM tortoise_migrations WHERE name NOT LIKE '0001%'",
            "INSERT INTO tortoise_migrations (app, name, applied_at) VALUES ('hostler', '9999_later', '2026-01-01')",
        ):
            change(database, spoil)

            succeeded(hostler("db", "backup", str(tmp_path / "it"), "--force"))

            assert dump(tmp_path / "it") == dump(database)

    def test_what_can_not_be_is_a_sentence(self, settings: Settings, tmp_path: Path, hostler: Hostler) -> None:
        assert "There is no database" in hostler("db", "backup", str(tmp_path / "it")).stderr
        assert not settings.state_dir.exists()
        settings.make_state_dir()
        (settings.state_dir / "hostler.sqlite3").write_bytes(b"no database " * 1000)
        assert "can't be read: file is not a database" in hostler("db", "backup", str(tmp_path / "it")).stderr
        assert "There is no folder" in hostler("db", "backup", str(tmp_path / "no" / "it")).stderr
        assert "is a folder" in hostler("db", "backup", str(tmp_path), "--force").stderr
        assert not (tmp_path / "it").exists()

    def test_the_database_is_no_backup_of_itself(self, database: Path, hostler: Hostler) -> None:
        before = dump(database)
        assert "is the database itself" in hostler("db", "backup", str(database), "--force").stderr
        assert "is the database itself" in hostler("db", "restore", str(database)).stderr
        assert dump(database) == before

    def test_of_postgresql_it_names_the_tool(self, tmp_path: Path, hostler: Hostler) -> None:
        url = {"HOSTLER_DATABASE_URL": "postgres://ada:a-password@db1:5433/hostler"}
        for verb, tool in (("backup", "pg_dump --format=custom"), ("restore", "pg_restore --no-owner --no-comments")):
            said = hostler("db", verb, str(tmp_path / "it"), **url)
            assert said.returncode == 1
            assert tool in said.stderr
            assert "--dbname='user=ada dbname=hostler host=db1 port=5433'" in said.stderr
            assert "a-password" not in said.stderr


class TestRestore:
    def test_everything_is_as_it_was_and_what_was_there_is_kept(
        self, database: Path, backup: Path, hostler: Hostler, serve: Serve
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

    def test_it_refuses_beside_a_service(self, database: Path, backup: Path, hostler: Hostler, serve: Serve) -> None:
        process = serve()
        read_until(process, "is listening on")

        refused = hostler("db", "restore", str(backup))

        assert refused.returncode == 1
        assert f"Another hostler service (process {process.pid})" in refused.stderr
        assert kept(database) == []

    def test_it_refuses_beside_a_command_that_has_the_database_open(
        self, database: Path, backup: Path, hostler: Hostler
    ) -> None:
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA journal_mode=WAL").fetchone()
            connection.execute("SELECT COUNT(*) FROM vm").fetchone()

            refused = hostler("db", "restore", str(backup))

        assert "Another process has the database" in refused.stderr
        assert kept(database) == []

    def test_one_of_a_newer_version_is_refused(self, database: Path, backup: Path, hostler: Hostler) -> None:
        before = dump(database)
        change(
            backup, "INSERT INTO tortoise_migrations (app, name, applied_at) VALUES ('hostler', '9999_later', '2026')"
        )

        refused = hostler("db", "restore", str(backup))

        assert "A newer hostler has changed this database (9999_later)" in refused.stderr
        assert dump(database) == before
        assert kept(database) == []

    def test_one_of_an_older_version_is_brought_up_to_date_by_the_next_start(
        self, tmp_path: Path, hostler: Hostler, serve: Serve
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
    def test_a_bad_backup_is_refused(self, database: Path, backup: Path, hostler: Hostler, damage: str) -> None:
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
        assert re.match(
            r"hostler: The (database|file) \S+ (is damaged|can't be read|is no database of)", refused.stderr
        )
        assert dump(database) == before
        assert kept(database) == []

    def test_a_damaged_database_is_replaced_and_kept_with_all_that_is_beside_it(
        self, database: Path, backup: Path, hostler: Hostler
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

    def test_no_id_that_was_given_since_is_given_again(self, database: Path, backup: Path, hostler: Hostler) -> None:
        before = counters(database)
        change(database, "UPDATE sqlite_sequence SET seq = seq + 7 WHERE name IN ('vm', 'event')")

        succeeded(hostler("db", "restore", str(backup)))

        assert counters(database) == before | {"vm": before["vm"] + 7, "event": before["event"] + 7}

    def test_where_nobody_knows_which_ids_were_given_some_are_passed_over(
        self, database: Path, backup: Path, hostler: Hostler
    ) -> None:
        before = counters(backup)
        database.unlink()

        succeeded(hostler("db", "restore", str(backup)))

        assert counters(database) == {name: highest + GAP for name, highest in before.items()}

    def test_keys_that_do_not_open_its_secrets_are_told_of_and_can_be_restored(
        self, database: Path, backup: Path, hostler: Hostler
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
        self, database: Path, backup: Path, hostler: Hostler, wrong: str
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
        self, database: Path, backup: Path, hostler: Hostler
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

    def test_keys_that_are_not_there_are_a_sentence(self, database: Path, backup: Path, hostler: Hostler) -> None:
        for name in ("sealing-keys.json", "signing-keys.json"):
            backup.with_name(f"{backup.name}.{name}").unlink()

        refused = hostler("db", "restore", str(backup), "--with-keys")

        assert "There are no keys beside the backup that are of use here" in refused.stderr
        assert kept(database) == []

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
    def test_what_root_restores_the_services_user_can_use(self, database: Path, backup: Path, hostler: Hostler) -> None:
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

    def test_what_is_not_there_can_not_be_restored(self, database: Path, tmp_path: Path, hostler: Hostler) -> None:
        assert "There is no database" in hostler("db", "restore", str(tmp_path / "none")).stderr
        nowhere = {"HOSTLER_DATABASE_URL": f"sqlite://{tmp_path}/no/such.sqlite3"}
        assert "There is no folder" in hostler("db", "restore", str(database), **nowhere).stderr


@pytest.fixture
def newer(database: Path) -> Iterator[Path]:
    """The database, after a program that is newer than this one has worked on it."""
    change(
        database,
        "INSERT INTO tortoise_migrations (app, name, applied_at) VALUES ('hostler', '9999_later', '2026-01-01')",
        "ALTER TABLE vm ADD COLUMN colour TEXT",
    )
    return database


def test_an_older_program_leaves_a_newer_database_alone(newer: Path, hostler: Hostler, serve: Serve) -> None:
    before = dump(newer)

    process = serve()
    _, said = process.communicate()

    assert process.returncode == 1
    assert "A newer hostler has changed this database (9999_later); run that version, or restore a backup" in said
    for command in (("user", "list"), ("migrate",), ("server", "list")):
        refused = hostler(*command)
        assert refused.returncode == 1
        assert "A newer hostler has changed this database (9999_later)" in refused.stderr
        assert "Traceback" not in refused.stderr
    assert dump(newer) == before


def test_a_service_that_is_told_to_stop_leaves_one_whole_file(
    database: Path, serve: Serve, hostler: Hostler, tmp_path: Path
) -> None:
    process = serve()
    read_until(process, "is listening on")

    process.send_signal(signal.SIGTERM)
    process.communicate()

    assert process.returncode == -signal.SIGTERM
    assert not database.with_name(f"{database.name}-wal").exists()
    succeeded(hostler("db", "backup", str(tmp_path / "it")))
