# SPDX-License-Identifier: GPL-3.0-or-later
"""Labs that stand side by side have ports apart."""

from pathlib import Path

import pytest

from lab import slot
from lab.errors import LabError
from lab.layout import LabLayout
from lab.slot import slot_of


@pytest.fixture
def claims(tmp_path: Path) -> Path:
    return tmp_path / "claims"


def lab(folder: Path, uid: int = 0) -> LabLayout:
    folder.mkdir(exist_ok=True)
    return LabLayout(folder, uid)


def test_labs_side_by_side_have_numbers_of_their_own_and_keep_them(tmp_path: Path, claims: Path) -> None:
    labs = [lab(tmp_path / name) for name in ("one", "two", "three")]

    numbers = [slot_of(each, claims) for each in labs]

    assert len(set(numbers)) == 3
    assert [slot_of(each, claims) for each in labs] == numbers


def test_a_number_is_free_when_its_labs_folder_is_gone(tmp_path: Path, claims: Path) -> None:
    gone = lab(tmp_path / "gone")
    number = slot_of(gone, claims)
    gone.folder.rmdir()

    assert slot_of(lab(tmp_path / "next"), claims) == number


def test_a_users_lab_has_no_number_of_roots(tmp_path: Path, claims: Path) -> None:
    assert slot_of(lab(tmp_path / "mine", uid=1000), claims) not in slot._OF_ROOT


def test_one_too_many_is_refused(tmp_path: Path, claims: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slot, "_OF_ROOT", range(1))
    slot_of(lab(tmp_path / "first"), claims)

    with pytest.raises(LabError, match="1 labs stand on this machine"):
        slot_of(lab(tmp_path / "second"), claims)
