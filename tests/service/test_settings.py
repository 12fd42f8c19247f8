# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings: where they come from, and how a wrong one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostler.settings import Settings, SettingsError


@pytest.fixture(autouse=True)
def nothing_from_outside(clean_environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "hostler.toml"
    monkeypatch.setenv("HOSTLER_CONFIG", str(path))
    return path


def test_root_keeps_its_state_in_var_lib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)

    assert Settings.load().state_dir == Path("/var/lib/hostler")


def test_others_keep_their_state_at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", str(tmp_path))

    assert Settings.load().state_dir == tmp_path / "xdg/hostler"
    monkeypatch.delenv("XDG_STATE_HOME")
    assert Settings.load().state_dir == tmp_path / ".local/state/hostler"


def test_database_and_keys_lie_in_the_state_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTLER_STATE_DIR", "/srv/hostler")
    settings = Settings.load()

    assert settings.database_url == "sqlite:///srv/hostler/hostler.sqlite3"
    assert settings.signing_keys_file == Path("/srv/hostler/signing-keys.json")


def test_the_environment_wins_over_the_file(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text('port = 1111\nlog_level = "debug"\ntrusted_libvirt_uris = ["test:///default"]\n')
    monkeypatch.setenv("HOSTLER_PORT", "2222")

    settings = Settings.load()

    assert (settings.port, settings.log_level) == (2222, "debug")
    assert settings.trusted_libvirt_uris == ("test:///default",)


def test_an_empty_variable_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTLER_PORT", "")
    monkeypatch.setenv("HOSTLER_ADMIN_PASSWORD", "")

    assert (Settings.load().port, Settings.load().admin_password) == (8470, None)


def test_what_clients_use_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URL", "TOKEN", "USER", "PASSWORD"):
        monkeypatch.setenv(f"HOSTLER_{name}", "x")

    Settings.load()


def test_unknown_keys_of_the_file_are_named(config: Path) -> None:
    config.write_text("prot = 8470\nallow_any_libvirt_uri = true\n")

    with pytest.raises(SettingsError) as refused:
        Settings.load()
    message = str(refused.value)
    assert "'prot' is not a setting" in message
    assert "'allow_any_libvirt_uri' is not a setting" in message
    assert str(config) in message


def test_a_named_file_has_to_exist(config: Path) -> None:
    with pytest.raises(SettingsError, match=str(config)):
        Settings.load()


def test_broken_toml_is_told_with_its_place(config: Path) -> None:
    config.write_text("port = \n")

    with pytest.raises(SettingsError, match=r"not valid TOML.*line 1"):
        Settings.load()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "65536"),
        ("LOG_FORMAT", "xml"),
        ("ACCESS_TOKEN_SECONDS", "-77"),
        ("HOST_THREADS", "-77"),
        ("SIGNING_KEY", "tooshort-secret"),
        ("TRUSTED_LIBVIRT_URIS", "not json"),
    ],
)
def test_a_wrong_value_is_named_and_not_repeated(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"HOSTLER_{name}", value)

    with pytest.raises(SettingsError) as refused:
        Settings.load()
    assert name.lower() in str(refused.value)
    assert value not in str(refused.value)


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTLER_ADMIN_PASSWORD", "hidden-1")
    monkeypatch.setenv("HOSTLER_SIGNING_KEY", "hidden-2" * 5)
    monkeypatch.setenv("HOSTLER_DATABASE_URL", "postgres://u:hidden-3@h/d")

    assert "hidden" not in repr(Settings.load())


def test_every_setting_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_a_state_directory_that_cannot_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOSTLER_STATE_DIR", str(tmp_path / "file/state"))

    with pytest.raises(SettingsError, match="HOSTLER_STATE_DIR"):
        Settings.load().make_state_dir()
