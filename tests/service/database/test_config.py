# SPDX-License-Identifier: GPL-3.0-or-later
"""Database URLs."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostler.database.config import DatabaseUrlError, parse


def test_a_sqlite_url_names_a_file() -> None:
    url = parse("sqlite:///var/lib/hostler/hostler.sqlite3")

    assert (url.dialect, url.file) == ("sqlite", Path("/var/lib/hostler/hostler.sqlite3"))


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_a_postgres_url_is_read_as_libpq_reads_it(scheme: str) -> None:
    url = parse(f"{scheme}://ad%40a:p%2Fw%3A@db.example.org:5433/host%20ler?sslmode=require")

    assert (url.dialect, url.file) == ("postgres", None)
    credentials = url.credentials
    assert credentials["user"] == "ad@a"
    assert credentials["password"] == "p/w:"
    assert (credentials["host"], str(credentials["port"])) == ("db.example.org", "5433")
    assert credentials["database"] == "host ler"
    assert credentials["server_settings"] == {"sslmode": "require"}


def test_a_socket_folder_is_a_host() -> None:
    assert parse("postgres:///hostler?host=/run/postgresql").credentials["host"] == "/run/postgresql"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "sqlite://",
        "sqlite://:memory:",
        "mysql://u:secret@h/db",
        "/var/lib/x",
        "postgres:u:secret@h",
        "asyncpg://u:secret@h/d",
    ],
)
def test_another_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(DatabaseUrlError) as refused:
        parse(url)
    assert "secret" not in str(refused.value)
