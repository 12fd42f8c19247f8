# SPDX-License-Identifier: GPL-3.0-or-later
"""``hostler db backup``."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from hostler.settings import Settings
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
)
from tests.service.conftest import ADMIN_PASSWORD, USER_PASSWORD
from tests.service.serving import Serve, read_until

__all__ = ["backup", "database", "database_url", "filled"]


def test_it_is_whole_while_a_service_is_written_to(serve: Serve, hostler: Hostler, tmp_path: Path) -> None:
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


def test_it_has_everything(database: Path, backup: Path) -> None:
    assert dump(backup) == dump(database)
    assert counters(backup) == counters(database)


def test_it_says_loudly_what_it_has_not(database: Path, tmp_path: Path, hostler: Hostler) -> None:
    said = hostler("db", "backup", str(tmp_path / "one")).stderr
    assert f"NOT in the backup: {database.parent}/sealing-keys.json; without it credentials" in said
    assert f"NOT in the backup: {database.parent}/signing-keys.json; without it everybody" in said

    said = hostler("db", "backup", str(tmp_path / "two"), HOSTLER_SEALING_KEY="k" * 32).stderr
    assert "NOT in the backup: the setting sealing_key; keep a copy" in said
    assert "sealing-keys.json" not in said
    assert "k" * 32 not in said


def test_the_keys_go_along_into_files_of_their_own(database: Path, backup: Path) -> None:
    assert files(backup.parent) == {f"hostler.sqlite3{end}" for end in ("", ".sealing-keys.json", ".signing-keys.json")}
    for name in ("sealing-keys.json", "signing-keys.json"):
        copy = backup.with_name(f"hostler.sqlite3.{name}")
        assert copy.read_text() == (database.parent / name).read_text()
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600


def test_a_file_that_is_there_is_replaced_only_if_told_to(database: Path, backup: Path, hostler: Hostler) -> None:
    before = backup.read_bytes()
    change(database, "UPDATE vm SET description = 'later'")
    assert f"{backup} is there already; --force replaces it" in hostler("db", "backup", str(backup)).stderr
    assert backup.read_bytes() == before

    succeeded(hostler("db", "backup", str(backup), "--force"))

    assert dump(backup) == dump(database)


def test_one_that_fails_leaves_the_last_one(database: Path, backup: Path, hostler: Hostler) -> None:
    before = backup.read_bytes()
    change(database, "PRAGMA foreign_keys=OFF", "DELETE FROM server")

    failed = hostler("db", "backup", str(backup), "--force")

    assert failed.returncode == 1
    assert "is damaged: row 1 of image refers to a row of server" in failed.stderr
    assert backup.read_bytes() == before
    assert not [name for name in files(backup.parent) if name.endswith(".part")]


def test_a_database_of_another_version_is_backed_up_as_it_is(database: Path, tmp_path: Path, hostler: Hostler) -> None:
    for spoil in (
        "DELETE FROM tortoise_migrations WHERE name NOT LIKE '0001%'",
        "INSERT INTO tortoise_migrations (app, name, applied_at) VALUES ('hostler', '9999_later', '2026-01-01')",
    ):
        change(database, spoil)

        succeeded(hostler("db", "backup", str(tmp_path / "it"), "--force"))

        assert dump(tmp_path / "it") == dump(database)


def test_what_can_not_be_is_a_sentence(settings: Settings, tmp_path: Path, hostler: Hostler) -> None:
    assert "There is no database" in hostler("db", "backup", str(tmp_path / "it")).stderr
    assert not settings.state_dir.exists()
    settings.make_state_dir()
    (settings.state_dir / "hostler.sqlite3").write_bytes(b"no database " * 1000)
    assert "can't be read: file is not a database" in hostler("db", "backup", str(tmp_path / "it")).stderr
    assert "There is no folder" in hostler("db", "backup", str(tmp_path / "no" / "it")).stderr
    assert "is a folder" in hostler("db", "backup", str(tmp_path), "--force").stderr
    assert not (tmp_path / "it").exists()


@pytest.mark.parametrize("end", ["-wal", "-shm", "-journal", ".lock"])
def test_what_the_service_itself_needs_is_not_replaced(database: Path, hostler: Hostler, end: str) -> None:
    refused = hostler("db", "backup", f"{database}{end}", "--force")

    assert refused.returncode == 1
    assert "is a file that the service itself needs" in refused.stderr


def test_what_is_no_ordinary_file_is_not_replaced(database: Path, tmp_path: Path, hostler: Hostler) -> None:
    os.mkfifo(tmp_path / "pipe")

    refused = hostler("db", "backup", str(tmp_path / "pipe"), "--force")

    assert refused.stderr == f"hostler: {tmp_path}/pipe is not an ordinary file, and is not replaced\n"
    assert (tmp_path / "pipe").is_fifo()
    assert hostler("db", "restore", str(tmp_path / "pipe")).stderr == f"hostler: {tmp_path}/pipe is no file\n"


def test_keys_that_are_no_file_are_told_of_before_anything_is_written(
    database: Path, tmp_path: Path, hostler: Hostler
) -> None:
    (database.parent / "sealing-keys.json").unlink()
    (database.parent / "sealing-keys.json").mkdir()

    refused = hostler("db", "backup", str(tmp_path / "it"), "--with-keys")

    assert "sealing-keys.json is no file" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "it").exists()


def test_the_database_is_no_backup_of_itself(database: Path, hostler: Hostler) -> None:
    before = dump(database)
    assert "is the database itself" in hostler("db", "backup", str(database), "--force").stderr
    assert "is the database itself" in hostler("db", "restore", str(database)).stderr
    assert dump(database) == before


def test_of_postgresql_it_names_the_tool(tmp_path: Path, hostler: Hostler) -> None:
    url = {"HOSTLER_DATABASE_URL": "postgres://ada:a-password@db1:5433/hostler"}
    for verb, tool in (("backup", "pg_dump --format=custom"), ("restore", "pg_restore --no-owner --no-comments")):
        said = hostler("db", verb, str(tmp_path / "it"), **url)
        assert said.returncode == 1
        assert tool in said.stderr
        assert "--dbname='user=ada dbname=hostler host=db1 port=5433'" in said.stderr
        assert "a-password" not in said.stderr
