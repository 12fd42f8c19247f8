# SPDX-License-Identifier: GPL-3.0-or-later
"""A database under the command line and the service: one that is newer, and one that is left whole."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.cli.command import Hostler, succeeded
from tests.service.cli.database_files import (
    backup,
    change,
    database,
    database_url,
    dump,
    filled,
)
from tests.service.serving import Serve, read_until

__all__ = ["backup", "database", "database_url", "filled"]


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


@pytest.mark.parametrize("command", [("audit", "verify"), ("server", "list"), ("user", "list")], ids=" ".join)
def test_a_command_changes_no_older_database(database: Path, hostler: Hostler, command: tuple[str, ...]) -> None:
    change(database, "DROP TABLE upload_mark", "DELETE FROM tortoise_migrations WHERE name = '0013_upload_marks'")
    before = dump(database)

    refused = hostler(*command)

    assert refused.stderr == "hostler: The database is older than this hostler; run 'hostler migrate' first\n"
    assert dump(database) == before
    assert "0013_upload_marks" in succeeded(hostler("migrate"))
    succeeded(hostler(*command))


def test_one_file_is_one_database_by_whatever_link_it_is_reached(database: Path, serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "linked.sqlite3").symlink_to(database)
    read_until(serve(), "is listening on")

    second = serve(
        HOSTLER_STATE_DIR=str(tmp_path / "other"), HOSTLER_DATABASE_URL=f"sqlite://{tmp_path}/other/linked.sqlite3"
    )
    _, said = second.communicate()

    assert second.returncode == 1
    assert "Another hostler service" in said


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
