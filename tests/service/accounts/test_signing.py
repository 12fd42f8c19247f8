# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of signing keys."""

from __future__ import annotations

import base64
import json
import secrets
from datetime import timedelta
from pathlib import Path

import pytest

from hostler.accounts.signing import AccessClaims, load_signer
from hostler.errors import Unauthenticated
from hostler.settings import Settings

CLAIMS = AccessClaims(user_id=1, epoch=1, session="s")


@pytest.fixture
def keys_file(settings: Settings) -> Path:
    assert settings.signing_keys_file is not None
    return settings.signing_keys_file


def new_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


@pytest.mark.rule("signing-key")
def test_the_first_start_makes_a_key_for_its_owner_only(settings: Settings, keys_file: Path) -> None:
    signer = load_signer(settings)

    assert keys_file.stat().st_mode & 0o777 == 0o600
    assert keys_file.parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in keys_file.parent.iterdir()] == [keys_file.name]
    assert load_signer(settings).read(signer.sign(CLAIMS)) == CLAIMS


def test_two_installations_do_not_take_each_others_tokens(settings: Settings, tmp_path: Path) -> None:
    other = settings.model_copy(update={"signing_keys_file": tmp_path / "other.json"})

    with pytest.raises(Unauthenticated):
        load_signer(other).read(load_signer(settings).sign(CLAIMS))


@pytest.mark.rule("signing-key")
def test_a_retired_key_verifies_until_it_is_taken_out(settings: Settings, keys_file: Path) -> None:
    token = load_signer(settings).sign(CLAIMS)
    content = json.loads(keys_file.read_text())
    keys_file.write_text(json.dumps({"active": "new", "keys": content["keys"] | {"new": new_key()}}))

    rotated = load_signer(settings)

    assert rotated.read(token) == CLAIMS
    assert rotated.read(rotated.sign(CLAIMS)) == CLAIMS
    keys_file.write_text(json.dumps({"active": "new", "keys": {"new": new_key()}}))
    with pytest.raises(Unauthenticated):
        load_signer(settings).read(token)


@pytest.mark.rule("signing-key")
def test_a_key_of_the_settings_needs_no_file(settings: Settings, keys_file: Path) -> None:
    key = secrets.token_hex(16)
    configured = Settings(state_dir=settings.state_dir, signing_key=key)

    token = load_signer(configured).sign(CLAIMS)

    assert not keys_file.exists()
    assert load_signer(Settings(state_dir=settings.state_dir / "other", signing_key=key)).read(token) == CLAIMS


@pytest.mark.rule("access-tokens")
def test_a_token_that_was_good_is_refused_once_it_has_expired(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    signer = load_signer(settings.model_copy(update={"access_token_seconds": -1}))
    token = signer.sign(CLAIMS)
    # within the clocks' skew it is still taken, and what is remembered ends with the token itself
    assert signer.read(token) == CLAIMS

    monkeypatch.setattr("hostler.accounts.signing._CLOCK_SKEW", timedelta(0))

    with pytest.raises(Unauthenticated):
        signer.read(token)
