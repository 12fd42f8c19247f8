# SPDX-License-Identifier: GPL-3.0-or-later
"""A run's folder is its owner's only, and never outlives the run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from hostler.runner.folder import private_folder, sweep


def test_is_private_from_the_first_moment_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with private_folder(tmp_path / "state", "run") as folder:
            assert folder.stat().st_mode & 0o777 == 0o700
            assert folder.parent.stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(before)


def test_is_deleted_also_when_the_run_fails(tmp_path: Path) -> None:
    def fail() -> None:
        with private_folder(tmp_path, "run") as folder:
            (folder / "secret").write_text("secret")
            raise LookupError

    with pytest.raises(LookupError):
        fail()

    assert list((tmp_path / "runs").iterdir()) == []


def test_a_sweep_leaves_alone_what_is_in_use(tmp_path: Path) -> None:
    with private_folder(tmp_path, "run") as folder:
        assert sweep(tmp_path) == 0
        assert folder.exists()


def test_a_sweep_ends_only_the_processes_of_what_it_deletes(tmp_path: Path) -> None:
    dead = tmp_path / "runs" / "run-dead"
    with private_folder(tmp_path, "run") as live:
        dead.mkdir()
        sleepers = [
            subprocess.Popen(["/bin/sleep", "600"], env={"AWX_ISOLATED_DATA_DIR": f"{folder}/artifacts/run"})
            for folder in (dead, live, tmp_path / "runs" / "run-dead2")
        ]
        try:
            assert sweep(tmp_path) == 1
            assert sleepers[0].wait(timeout=10) == -9
            assert [sleeper.poll() for sleeper in sleepers[1:]] == [None, None]
        finally:
            for sleeper in sleepers:
                sleeper.kill()
                sleeper.wait()
    assert not dead.exists()
