# SPDX-License-Identifier: GPL-3.0-or-later
"""What root writes in a folder of the service's account leads nowhere else, whatever the account puts there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hostler.database.lock import service_lock
from hostler.database.placing import PlacingError, copied, draft_of, give_owner, placed
from hostler.errors import OperatorError

ACCOUNT = 65534
"""Whom the folder belongs to, where the test is run by root."""


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A file of root's, outside of the folder."""
    file = tmp_path / "shadow"
    file.write_text("root's")
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    if os.geteuid() == 0:
        os.chown(folder, ACCOUNT, ACCOUNT)
    return folder


def untouched(target: Path) -> bool:
    return target.read_text() == "root's" and target.stat().st_uid == os.geteuid()


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_the_lock_is_no_link_to_another_file(folder: Path, target: Path, link: object) -> None:
    lock = folder / "hostler.sqlite3.lock"
    assert callable(link)
    link(target, lock)

    with pytest.raises(OperatorError, match=rf"{lock}.*link"), service_lock(folder / "hostler.sqlite3"):
        pass

    assert untouched(target)


def test_the_lock_is_no_folder_and_no_pipe(folder: Path) -> None:
    lock = folder / "hostler.sqlite3.lock"
    os.mkfifo(lock)

    with pytest.raises(OperatorError, match=rf"{lock}.*ordinary file"), service_lock(folder / "hostler.sqlite3"):
        pass


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_draft_that_was_made_a_link_is_not_written_to_nor_given_away_nor_placed(
    folder: Path, target: Path, tmp_path: Path, link: object
) -> None:
    source = tmp_path / "keys"
    source.write_text("keys")
    assert callable(link)
    with draft_of(folder / "keys.json") as draft:
        draft.unlink()
        link(target, draft)

        with pytest.raises(PlacingError, match="link"):
            copied(source, draft)
        with pytest.raises(PlacingError, match="link"):
            give_owner(draft, folder)
        with pytest.raises(PlacingError, match="link"):
            placed(draft, folder / "keys.json", replacing=True)

    assert untouched(target)
    assert not (folder / "keys.json").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")
def test_root_gives_a_draft_and_the_lock_to_whom_the_folder_belongs(folder: Path, target: Path) -> None:
    with draft_of(folder / "keys.json") as draft:
        copied(target, draft)
        give_owner(draft, folder)
        placed(draft, folder / "keys.json", replacing=False)
    with service_lock(folder / "hostler.sqlite3"):
        pass

    for name in ("keys.json", "hostler.sqlite3.lock"):
        found = (folder / name).stat()
        assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (ACCOUNT, ACCOUNT, 0o600)
    assert (folder / "keys.json").read_text() == "root's"
