# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line, as processes of its own, without a service and beside one."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from hostler import __version__
from hostler.settings import Settings
from tests.service.cli.command import Hostler, succeeded
from tests.service.conftest import ADMIN_PASSWORD, Headers, log_in
from tests.service.database.migrations_there import NAMES


def test_version(hostler: Hostler) -> None:
    assert succeeded(hostler("--version")) == f"hostler {__version__}\n"


def test_help_imports_nothing_heavy() -> None:
    heavy = ("fastapi", "pydantic_settings", "tortoise", "uvicorn", "structlog", "asyncio", "psycopg", "libvirt")
    code = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "before = set(sys.modules)\n"
        "from hostler.cli.main import app\n"
        "for arguments in (['--help'], ['user', '--help'], ['token', 'create', '--help'], ['serve', '--help'],\n"
        "        ['doctor', '--help'], ['db', 'copy', '--help']):\n"
        "    assert CliRunner().invoke(app, arguments).exit_code == 0\n"
        f"print(sorted((set(sys.modules) - before) & set({heavy!r})))\n"
    )
    output = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True).stdout

    assert output == "[]\n"


def test_users_are_managed_without_a_service(hostler: Hostler) -> None:
    generated = succeeded(hostler("user", "add", "ada", "-p", "read", "-p", "write", "--generate-password"))
    assert re.search(r"^Password: \S{20,}$", generated, re.MULTILINE)
    succeeded(hostler("user", "add", "eve", "-p", "admin", "--password-stdin", stdin="correct horse\n"))
    succeeded(hostler("user", "disable", "ADA"))
    succeeded(hostler("user", "permissions", "eve", "-p", "admin", "-p", "read"))

    lines = [line.split() for line in succeeded(hostler("user", "list")).splitlines()]

    assert [line[:4] for line in lines] == [
        ["ID", "NAME", "PERMISSIONS", "ENABLED"],
        ["1", "ada", "read,write", "no"],
        ["2", "eve", "read,admin", "yes"],
    ]
    succeeded(hostler("user", "enable", "ada"))
    succeeded(hostler("user", "delete", "ada"))
    assert "ada" not in succeeded(hostler("user", "list"))


def test_a_name_of_a_token_can_not_speak_to_the_terminal(hostler: Hostler) -> None:
    succeeded(hostler("user", "add", "ada", "--permission", "read", "--password-stdin", stdin=f"{ADMIN_PASSWORD}\n"))
    succeeded(hostler("token", "create", "ada", "a\x1b[2J\nb\u202e"))

    listed = succeeded(hostler("token", "list"))
    revoked = succeeded(hostler("token", "revoke", "1"))

    for shown in (listed, revoked):
        assert "a\\x1b[2J\\nb\\u202e" in shown
        assert "\x1b" not in shown


def test_tokens_are_managed_without_a_service(hostler: Hostler) -> None:
    succeeded(hostler("user", "add", "ada", "-p", "read", "--generate-password"))
    secret = succeeded(hostler("token", "create", "ada", "ci", "--expires-in-days", "0")).strip()
    assert re.fullmatch(r"hostler_\w{8}_\w{40}", secret)

    listed = succeeded(hostler("token", "list"))

    assert secret[:16] in listed
    assert secret not in listed
    assert re.search(r"^1 +ada +ci +\S+ +read +never +never$", listed, re.MULTILINE)
    succeeded(hostler("token", "revoke", "1"))
    assert "ci" not in succeeded(hostler("token", "list"))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("user", "disable", "nobody"), 1, "There is no user named 'nobody'"),
        (("user", "disable", "n" * 65), 1, "There is no user named 'nnn"),
        (("token", "revoke", "7"), 1, "Token with ID 7 not found"),
        (("token", "create", "nobody", "x"), 1, "There is no user named 'nobody'"),
        (("user", "add", "../x", "--generate-password"), 2, "a name has at most 64 letters"),
        (("user", "add", "x", "-p", "root", "--generate-password"), 2, "is no permission"),
        (("user", "add", "x"), 2, "--password-stdin"),
        (("user", "add", "x", "--password-stdin"), 2, "a password has 8 to 256 characters"),
        (("user", "add", "x", "--password", "on the command line"), 2, "No such option"),
        (("user",), 2, "Usage"),
        (("nonsense",), 2, "No such command"),
        (("serve", "--port", "x"), 2, "should be a valid integer"),
    ],
)
def test_a_failure_is_one_sentence_and_a_code(
    hostler: Hostler, arguments: tuple[str, ...], code: int, said: str
) -> None:
    result = hostler(*arguments)

    assert result.returncode == code
    assert said in result.stdout + result.stderr
    assert "Traceback" not in result.stderr


def test_a_name_that_is_taken_is_a_sentence(hostler: Hostler) -> None:
    succeeded(hostler("user", "add", "ada", "--generate-password"))

    result = hostler("user", "add", "Ada", "--generate-password")

    assert (result.returncode, result.stderr) == (1, "hostler: A user named 'Ada' exists already\n")


def test_wrong_settings_are_a_sentence(hostler: Hostler, tmp_path: Path) -> None:
    config = tmp_path / "hostler.toml"
    config.write_text("prot = 1\n")

    result = hostler("serve", HOSTLER_CONFIG=str(config))

    assert result.returncode == 1
    assert result.stderr.startswith("hostler: The settings are wrong")
    assert "'prot' is not a setting" in result.stderr


def test_settings_are_shown_without_their_secrets(hostler: Hostler, settings: Settings) -> None:
    given = {"HOSTLER_ADMIN_PASSWORD": "hidden-1", "HOSTLER_PORT": "1", "HOSTLER_PROT": "2"}

    result = hostler("settings", **given)

    shown = {line.split()[0]: line.split()[1:] for line in succeeded(result).splitlines()}
    assert shown["port"] == ["1", "HOSTLER_PORT"]
    assert shown["state_dir"] == [f'"{settings.state_dir}"', "HOSTLER_STATE_DIR"]
    assert "hidden-1" not in result.stdout + result.stderr
    assert result.stderr == "HOSTLER_PROT is not a setting; was HOSTLER_PORT meant?\n"
    assert not settings.state_dir.exists(), "looking made something"


def test_server_is_added_with_all_that_rest_could_say(hostler: Hostler, settings: Settings) -> None:
    by_ssh = ("--ansible-connection", "ssh", "--ansible-host", "10.0.0.7", "--ansible-user", "admin")
    uri = "qemu+tls://kvm1/system?pkipath=/etc/pki/kvm1"
    added = hostler("server", "add", "kvm1", uri, *by_ssh, "--ansible-port", "2222", "--virt-type", "qemu")
    assert succeeded(added) == "Server 1 'kvm1' added\n"
    with closing(sqlite3.connect(settings.state_dir / "hostler.sqlite3")) as database, database:
        columns = "libvirt_uri, ansible_connection, ansible_host, ansible_user, ansible_port"
        row = database.execute(f"SELECT {columns} FROM server").fetchone()  # noqa: S608 - a constant
    assert row == (uri, "ssh", "10.0.0.7", "admin", 2222)

    wrong = hostler("server", "add", "kvm2", uri, "--ansible-connection", "telnet", "--ansible-host=-oProxyCommand=x")
    assert wrong.returncode == 1
    assert "ansible_connection" in wrong.stderr
    assert "ansible_host" in wrong.stderr


def test_migrate_says_what_it_did(hostler: Hostler) -> None:
    applied = "".join(f"Applied {name}\n" for name in NAMES)
    assert succeeded(hostler("migrate")) == f"{applied}The database is up to date\n"
    assert succeeded(hostler("migrate")) == "The database is up to date\n"


@pytest.mark.anyio
async def test_commands_write_beside_a_service_which_sees_it_at_once(
    app: FastAPI, client: httpx.AsyncClient, admin_headers: Headers, hostler: Hostler
) -> None:
    succeeded(hostler("user", "add", "ada", "-p", "read", "--password-stdin", stdin="correct horse\n"))
    session = await log_in(client, "ada", "correct horse")
    secret = succeeded(hostler("token", "create", "ada", "ci")).strip()
    token = {"Authorization": f"Bearer {secret}"}
    assert (await client.get("/api/auth/me", headers=token)).json()["permissions"] == ["read"]

    succeeded(hostler("user", "disable", "ada"))

    for headers in (session, token):
        assert (await client.get("/api/auth/me", headers=headers)).status_code == 401
    # and the service can still write
    body = {"username": "eve", "password": "correct horse", "permissions": []}
    assert (await client.post("/api/users", json=body, headers=admin_headers)).status_code == 201
    assert "eve" in succeeded(hostler("user", "list"))


@pytest.mark.anyio
async def test_migrate_refuses_beside_a_service(app: FastAPI, hostler: Hostler) -> None:
    result = hostler("migrate")

    assert result.returncode == 1
    assert re.fullmatch(
        rf"hostler: Another hostler service \(process {os.getpid()}\) uses the database \S+; stop it first, .*\n",
        result.stderr,
    )


@pytest.mark.anyio
async def test_a_forgotten_administrators_password_is_set_anew(client: httpx.AsyncClient, hostler: Hostler) -> None:
    old = await log_in(client, "admin", ADMIN_PASSWORD)

    succeeded(hostler("user", "password", "admin", "--password-stdin", stdin="another password\n"))

    assert (await client.get("/api/auth/me", headers=old)).status_code == 401
    await log_in(client, "admin", "another password")
