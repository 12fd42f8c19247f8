# SPDX-License-Identifier: GPL-3.0-or-later
"""One service to a SQLite file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hostler.app import create_app
from hostler.database.lock import DatabaseInUse, service_lock
from hostler.settings import Settings


@pytest.mark.anyio
async def test_a_second_service_refuses_to_start_and_names_the_first(settings: Settings) -> None:
    first, second = create_app(settings), create_app(settings)

    async with first.router.lifespan_context(first):
        with pytest.raises(DatabaseInUse, match=rf"process {os.getpid()}\b.*stop it first"):
            async with second.router.lifespan_context(second):
                pass

    # and may start when the first has gone
    async with second.router.lifespan_context(second):
        pass


def test_a_dead_service_holds_nothing(tmp_path: Path) -> None:
    database = tmp_path / "hostler.sqlite3"
    code = (
        "import os, sys, pathlib\n"
        "from hostler.database.lock import service_lock\n"
        "with service_lock(pathlib.Path(sys.argv[1])):\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(database)], check=False)
    assert ended.returncode == -9

    with service_lock(database):
        pass


def test_a_child_process_does_not_inherit_the_lock(tmp_path: Path) -> None:
    database = tmp_path / "hostler.sqlite3"
    with service_lock(database):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    try:
        with service_lock(database):
            pass
    finally:
        child.communicate(b"\n")
