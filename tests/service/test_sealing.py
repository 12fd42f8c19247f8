# SPDX-License-Identifier: GPL-3.0-or-later
"""Sealed secrets."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

import pytest

from hostler.sealing import SealBroken, load_sealer
from hostler.settings import Settings

SECRET = "-----BEGIN KEY-----\nsch\u00f6n\n"


@pytest.fixture
def keys_file(settings: Settings) -> Path:
    assert settings.sealing_keys_file is not None
    return settings.sealing_keys_file


def test_a_sealed_secret_is_not_in_what_the_database_gets_and_comes_back_whole(
    settings: Settings, keys_file: Path
) -> None:
    sealed = load_sealer(settings).seal(SECRET)

    assert "KEY" not in sealed
    assert sealed.isascii()
    assert load_sealer(settings).open(sealed) == SECRET
    assert keys_file.stat().st_mode & 0o777 == 0o600


def test_the_same_secret_looks_another_each_time(settings: Settings) -> None:
    sealer = load_sealer(settings)

    assert sealer.seal(SECRET) != sealer.seal(SECRET)


def test_another_installation_opens_nothing(settings: Settings, tmp_path: Path) -> None:
    other = settings.model_copy(update={"sealing_keys_file": tmp_path / "other.json"})

    with pytest.raises(SealBroken, match="sealing key") as refused:
        load_sealer(other).open(load_sealer(settings).seal(SECRET))
    assert "KEY-" not in str(refused.value)


@pytest.mark.parametrize("changed", ["", "x", "gAAAAA", "\u00e4"])
def test_what_was_changed_is_not_opened(settings: Settings, changed: str) -> None:
    with pytest.raises(SealBroken):
        load_sealer(settings).open(changed)


def test_a_retired_key_opens_until_it_is_taken_out(settings: Settings, keys_file: Path) -> None:
    sealed = load_sealer(settings).seal(SECRET)
    keys = json.loads(keys_file.read_text())["keys"]
    new = {"new": "A" * 43 + "="}
    keys_file.write_text(json.dumps({"active": "new", "keys": keys | new}))

    rotated = load_sealer(settings)
    renewed = rotated.renew(sealed)

    assert rotated.open(sealed) == SECRET
    keys_file.write_text(json.dumps({"active": "new", "keys": new}))
    assert load_sealer(settings).open(renewed) == SECRET
    with pytest.raises(SealBroken):
        load_sealer(settings).open(sealed)


def test_a_key_of_the_settings_needs_no_file(settings: Settings, keys_file: Path) -> None:
    key = secrets.token_hex(16)
    configured = Settings(state_dir=settings.state_dir, sealing_key=key)

    sealed = load_sealer(configured).seal(SECRET)

    assert not keys_file.exists()
    assert load_sealer(Settings(state_dir=settings.state_dir / "other", sealing_key=key)).open(sealed) == SECRET
