# SPDX-License-Identifier: GPL-3.0-or-later
"""A file of keys."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from hostler.key_file import KeyFileError, Keys, load_keys


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def load(path: Path) -> Keys:
    return load_keys(path, "signing keys", loss="everybody logs in anew")


def test_the_first_use_makes_a_key_for_its_owner_only_and_the_next_finds_it(path: Path) -> None:
    made = load(path)

    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    assert len(made.by_name[made.active]) == 32
    assert load(path) == made


def test_a_key_that_was_added_is_there_beside_the_active_one(path: Path) -> None:
    made = load(path)
    content = json.loads(path.read_text())
    path.write_text(json.dumps({"active": "new", "keys": content["keys"] | {"new": "A" * 43 + "="}}))

    assert load(path) == Keys({**made.by_name, "new": bytes(32)}, "new")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_file_that_others_can_read_is_refused(path: Path, mode: int) -> None:
    load(path)
    path.chmod(mode)

    with pytest.raises(KeyFileError, match="chmod 600"):
        load(path)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"active": "a", "keys": {}}',
        '{"active": "a", "keys": {"a": "c2hvcnQ="}}',
        '{"active": "a", "keys": {"a": "not base64 at all, is it?"}}',
        '{"active": "a", "keys": {"a": 7}}',
        '{"active": ["a"], "keys": {"a": "' + "A" * 43 + '="}}',
    ],
)
def test_a_damaged_file_is_refused_without_repeating_it(path: Path, content: str) -> None:
    path.write_text(content)
    path.chmod(0o600)

    with pytest.raises(KeyFileError, match="remove it and everybody logs in anew") as refused:
        load(path)
    assert "c2hvcnQ" not in str(refused.value)


def test_what_is_no_file_is_refused_at_once_and_nobody_is_told_to_change_its_mode(path: Path) -> None:
    path.mkdir(mode=0o755)
    with pytest.raises(KeyFileError, match=r"keys\.json can't be read: it is no file$"):
        load(path)
    path.rmdir()
    os.mkfifo(path, mode=0o600)  # nobody writes into it: whoever reads it waits for ever
    with pytest.raises(KeyFileError, match=r"keys\.json can't be read: it is no file$"):
        load(path)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="can't be read: No such file or directory"):
        load(tmp_path / "absent" / "keys.json")
