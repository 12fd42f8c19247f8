# SPDX-License-Identifier: GPL-3.0-or-later
"""What the program says of its settings: complete, in TOML that it reads itself, and without their secrets."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from hostler import settings_reference
from hostler.settings import Settings, misspelt
from hostler.settings_reference import Setting


@pytest.fixture(autouse=True)
def nothing_from_outside(clean_environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOSTLER_STATE_DIR", str(tmp_path))


def described(name: str) -> Setting:
    (found,) = [one for one in settings_reference.reference() if one.name == name]
    return found


def test_type_limits_unit_and_default_are_told() -> None:
    port, life, level = described("port"), described("refresh_token_days"), described("log_level")

    assert (port.variable, port.kind, port.unit, port.default) == ("HOSTLER_PORT", "number, 0 to 65535", "", "8470")
    assert (life.kind, life.unit) == ("number, 1 to 365", "days")
    assert level.kind == "`debug` or `info` or `warning` or `error`"
    assert described("trusted_libvirt_uris").kind == "list of texts"
    assert described("dispatch").kind == "table"
    assert described("playbooks_dir").kind == "path"
    assert described("metrics_free_on_loopback").kind == "`true` or `false`"


def test_secrets_are_marked() -> None:
    marked = {one.name: one.secret for one in settings_reference.reference() if one.secret}

    assert marked == {
        "database_url": "may hold a secret",
        "signing_key": "a secret",
        "sealing_key": "a secret",
        "admin_password": "a secret",
        "awx_token": "a secret",
    }


def test_the_example_changes_nothing_as_it_stands_and_its_keys_can_be_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "hostler.toml"
    monkeypatch.setenv("HOSTLER_CONFIG", str(file))
    file.write_text(settings_reference.example())
    untouched = Settings.load()
    keys = [
        line.removeprefix("#")
        for line in settings_reference.example().splitlines()
        if line.startswith("#") and not line.startswith("# ")
    ]
    set_ones = [line for line in keys if not line.endswith('= ""')]
    file.write_text("\n".join(set_ones))

    assert Settings.load() == untouched
    assert set(tomllib.loads("\n".join(keys))) == set(Settings.model_fields)


def test_what_is_in_effect_is_shown_with_where_it_comes_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "hostler.toml"
    file.write_text('log_format = "json"\nport = 1\nsigning_key = "hidden-in-the-file-hidden-in-the-file"\n')
    monkeypatch.setenv("HOSTLER_CONFIG", str(file))
    monkeypatch.setenv("HOSTLER_PORT", "2")
    monkeypatch.setenv("hostler_host", "::1")
    monkeypatch.setenv("HOSTLER_ADMIN_PASSWORD", "hidden-too")
    monkeypatch.setenv("HOSTLER_DATABASE_URL", "postgres://ada:hid/den@three@db/hostler?sslPassword=hidden&a=b")

    shown = {one.name: (one.value, one.source) for one in settings_reference.in_effect(Settings.load())}

    assert set(shown) == set(Settings.model_fields)
    assert shown["port"] == ("2", "HOSTLER_PORT")
    assert shown["host"] == ('"::1"', "HOSTLER_HOST")
    assert shown["log_format"] == ('"json"', str(file))
    assert shown["resync_seconds"] == ("30", "default")
    assert shown["database_url"] == (
        '"postgres://***@db/hostler?sslPassword=***&a=b"',
        "HOSTLER_DATABASE_URL",
    )
    assert shown["signing_key"] == ('"***"', str(file))
    assert shown["hooks_dir"] == ("", "default")
    assert not any("hid" in value for value, _ in shown.values())


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("HOSTLER_PROT", "HOSTLER_PORT"),
        ("HOSTLER_LOGFORMAT", "HOSTLER_LOG_FORMAT"),
        ("HOSTLER_DATABSE_URL", "HOSTLER_DATABASE_URL"),
        ("HOSTLER_TRUSTED_PROXY", "HOSTLER_TRUSTED_PROXIES"),
        ("hostler_prot", "HOSTLER_PORT"),
    ],
)
def test_a_variable_that_is_nearly_a_setting_is_noticed(variable: str, meant: str) -> None:
    assert list(misspelt({variable: "1", "HOSTLER_PORT": "2", "PROT": "3"})) == [(variable, meant)]


@pytest.mark.parametrize(
    "name", ["URL", "TOKEN", "USER", "PASSWORD", "CONFIG", "CACHE", "LAB_VIRT_TYPE", "TEST_DATABASE", ""]
)
def test_what_others_of_ours_use_is_not_taken_for_a_setting(name: str) -> None:
    assert list(misspelt({f"HOSTLER_{name}": "x"})) == []
