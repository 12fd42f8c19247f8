# SPDX-License-Identifier: GPL-3.0-or-later
"""What the doctor says of files and folders."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hostler.doctor import files, programs
from hostler.doctor.finding import Finding, Level
from hostler.settings import Settings


@pytest.fixture
def database_url() -> str:
    """The files are SQLite's."""
    return ""


@pytest.fixture
def state(settings: Settings) -> Path:
    """A state directory with all that may be in it."""
    settings.make_state_dir()
    for name in ("hostler.sqlite3", "hostler.sqlite3-wal", "sealing-keys.json", "signing-keys.json"):
        (settings.state_dir / name).touch(0o600)
    return settings.state_dir


def levels(found: list[Finding]) -> list[Level]:
    return [one.level for one in found]


def test_a_state_directory_of_ones_own(state: Path, settings: Settings) -> None:
    assert levels(files.state_folder(settings)) == [Level.OK]


def test_no_state_directory(settings: Settings) -> None:
    assert levels(files.state_folder(settings)) == [Level.FAILED]
    assert not settings.state_dir.exists()


def test_a_state_directory_that_others_look_into(state: Path, settings: Settings) -> None:
    state.chmod(0o755)

    (found,) = files.state_folder(settings)

    assert (found.level, found.remedy) == (Level.WARNING, f"chmod 700 {state}")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_state_directory_that_can_not_be_written_to(state: Path, settings: Settings) -> None:
    state.chmod(0o500)
    try:
        assert levels(files.state_folder(settings)) == [Level.FAILED]
    finally:
        state.chmod(0o700)


def test_files_of_their_owners_only(state: Path, settings: Settings) -> None:
    assert levels(files.private_files(settings)) == [Level.OK]


@pytest.mark.parametrize("name", ["hostler.sqlite3", "hostler.sqlite3-wal", "sealing-keys.json", "signing-keys.json"])
def test_files_that_others_can_read(state: Path, settings: Settings, name: str) -> None:
    (state / name).chmod(0o640)

    (found,) = files.private_files(settings)

    assert (found.level, found.remedy) == (Level.FAILED, f"chmod 600 {state / name}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_files_of_several_owners(state: Path, settings: Settings) -> None:
    os.chown(state / "hostler.sqlite3", 65534, -1)

    (found,) = files.private_files(settings)

    assert found.level is Level.FAILED
    assert "hostler.sqlite3 nobody" in found.message


def test_space(state: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LITTLE", 0)
    monkeypatch.setattr(files, "TOO_LITTLE", 0)
    monkeypatch.setattr(files, "LITTLE_SHARE", 0)
    assert levels(files.state_space(settings)) == [Level.OK]

    monkeypatch.setattr(files, "LITTLE_SHARE", 1)
    assert levels(files.state_space(settings)) == [Level.WARNING]

    monkeypatch.setattr(files, "TOO_LITTLE", 2**62)
    assert levels(files.state_space(settings)) == [Level.FAILED]


def test_space_is_looked_at_where_the_database_is_too(state: Path, settings: Settings, tmp_path: Path) -> None:
    elsewhere = settings.model_copy(update={"database_url": f"sqlite://{tmp_path}/hostler.sqlite3"})

    assert len(files.state_space(elsewhere)) == 2


def with_hooks(settings: Settings, folder: Path) -> list[Finding]:
    return files.operators_folders(settings.model_copy(update={"hooks_dir": folder}), programs.our_playbooks())


def test_hooks_that_are_looked_for(settings: Settings, tmp_path: Path) -> None:
    for name in ("vm_create_before.yml", "vm_delete_after.yml", "vm_configure.yml", "dns.yml", "README.md"):
        (tmp_path / name).touch()

    assert levels(with_hooks(settings, tmp_path)) == [Level.OK, Level.OK]


@pytest.mark.parametrize(
    ("name", "meant"),
    [("vm_create_befor.yml", "vm_create_before.yml"), ("vm_resize_after.yaml", "vm_resize_after.yml")],
)
def test_hooks_that_nobody_looks_for(settings: Settings, tmp_path: Path, name: str, meant: str) -> None:
    (tmp_path / name).touch()

    found = with_hooks(settings, tmp_path)[0]

    assert (found.level, found.remedy) == (Level.WARNING, f"Name it {meant} if that is meant")


def test_hooks_that_are_not_there(settings: Settings, tmp_path: Path) -> None:
    assert with_hooks(settings, tmp_path / "none")[0].level is Level.FAILED
    (tmp_path / "vm_create_before.yml").symlink_to(tmp_path / "gone.yml")
    assert with_hooks(settings, tmp_path)[0].message == f"{tmp_path}/vm_create_before.yml can't be read"


def test_playbooks(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "vm_creat.yml").touch()
    own = settings.model_copy(update={"playbooks_dir": tmp_path})

    found = files.operators_folders(own, programs.our_playbooks())[1]

    assert (found.check, found.level) == ("playbooks", Level.WARNING)
    assert found.remedy == "Name it vm_create.yml if that is meant"
