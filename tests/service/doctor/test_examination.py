# SPDX-License-Identifier: GPL-3.0-or-later
"""``hostler doctor`` as a process: beside a service, without one, and where next to nothing is as it should be."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hostler.settings import Settings
from tests.service.cli.command import Hostler, succeeded
from tests.service.database.migrations_there import NAMES
from tests.service.serving import Serve, read_until


@pytest.fixture
def database_url() -> str:
    """A service of one process."""
    return ""


def by_check(said: str) -> dict[str, dict[str, Any]]:
    return {one["check"]: one for one in json.loads(said)["findings"]}


def files(folder: Path) -> dict[str, tuple[int, float]]:
    """Whatever is there, but for what SQLite has beside a database that is open."""
    paths = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm"))]
    return {str(path): (path.stat().st_size, path.stat().st_mtime) for path in paths}


def test_beside_a_service_everything_is_well_and_nothing_is_changed(
    settings: Settings, serve: Serve, hostler: Hostler
) -> None:
    process = serve("--port", "0", HOSTLER_WARM_START="false")
    url = read_until(process, r"is listening on (\S+)$")[1]
    succeeded(hostler("server", "add", "host1", "test:///default"))
    before = files(settings.state_dir)

    done = hostler("doctor", "--json", HOSTLER_PORT=url.rpartition(":")[2])

    found = by_check(succeeded(done))
    assert {name: one["message"] for name, one in found.items() if one["level"] == "failed"} == {}
    # what is about this machine is left out
    warned = {name for name, one in found.items() if one["level"] == "warning"} - {"clock", "space"}
    assert warned == set()
    assert list(found) == [
        *("settings", "state directory", "files", "space", "time zone", "clock", "service", "signing keys"),
        *(
            "ansible-playbook",
            "collection",
            "hooks",
            "playbooks",
            "database",
            "schema",
            "integrity",
            "columns",
            "indexes",
            "audit",
            "times",
        ),
        *("sealing keys", "tools", "host host1", "pools of host1"),
    ]
    assert done.stderr == ""
    assert files(settings.state_dir) == before


def test_findings_are_told_to_people_with_how_to_mend_them(
    settings: Settings, hostler: Hostler, tmp_path: Path
) -> None:
    succeeded(hostler("server", "add", "host1", "qemu:///system?socket=/no/such/socket"))
    settings.state_dir.chmod(0o755)

    done = hostler("doctor", HOSTLER_HOOKS_DIR=str(tmp_path / "none"), HOSTLER_PROT="1")

    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    lines = done.stdout.splitlines()
    failed = [line for line in lines if line.startswith("failed ")]
    assert len(failed) == 2
    assert any("hooks_dir names" in line for line in failed)
    assert any("host host1" in line and "can't be reached" in line for line in failed)
    chmod = next(number for number, line in enumerate(lines) if "mode 755" in line)
    assert lines[chmod].startswith("warning  state directory ")
    assert lines[chmod + 1].strip() == f"-> chmod 700 {settings.state_dir}"
    assert lines[-1].startswith(f"{sum(not line.startswith(' ') for line in lines) - 1} findings: ")
    assert lines[-1].endswith("2 failed")


def test_where_there_is_nothing_nothing_is_made(settings: Settings, hostler: Hostler) -> None:
    done = hostler("doctor", "--json")

    found = by_check(done.stdout)
    assert done.returncode == 1
    assert (found["database"]["level"], found["state directory"]["level"]) == ("failed", "failed")
    assert not settings.state_dir.exists()


def test_a_database_of_another_version_is_told_of_and_left_alone(settings: Settings, hostler: Hostler) -> None:
    succeeded(hostler("migrate"))
    file = settings.state_dir / "hostler.sqlite3"
    for spoil, said in (
        (f"DELETE FROM tortoise_migrations WHERE name = '{NAMES[-1]}'", f"lacks the migrations {NAMES[-1]}"),  # noqa: S608 - a file's name
        ("UPDATE tortoise_migrations SET name = '9999_later' WHERE id = 1", "A newer hostler has changed"),
    ):
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            connection.execute(spoil)
            before = list(connection.iterdump())

        done = hostler("doctor", "--json")

        assert done.returncode == 1
        found = by_check(done.stdout)
        assert said in found["schema"]["message"]
        assert found["hosts"]["level"] == "warning"
        with closing(sqlite3.connect(file)) as connection:
            assert list(connection.iterdump()) == before


def test_wrong_settings_are_a_finding_too(hostler: Hostler) -> None:
    done = hostler("doctor", "--json", HOSTLER_PORT="many")

    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert (found["failed"], found["ok"], found["warning"]) == (1, 0, 0)
    assert "'port'" in found["findings"][0]["message"]

    wrong = by_check(hostler("doctor", "--json", HOSTLER_DATABASE_URL="mysql://db/hostler").stdout)
    assert "database_url should be" in wrong["database"]["message"]
