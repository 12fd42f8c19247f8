# SPDX-License-Identifier: GPL-3.0-or-later
"""``hostler audit``, as processes of its own, without a service."""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from hostler.settings import Settings

Hostler = Callable[..., "subprocess.CompletedProcess[str]"]

ROOT = Path(__file__).parents[3]
PASSWORD = "correct horse battery"


def command(state_dir: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HOSTLER_")}
    return subprocess.run(
        [sys.executable, "-m", "hostler", *arguments],
        input=stdin,
        text=True,
        capture_output=True,
        check=False,
        env=inherited | {"HOSTLER_STATE_DIR": str(state_dir)},
    )


def succeeded(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture
def hostler(settings: Settings) -> Hostler:
    """Run ``hostler`` on the test's state directory."""
    return partial(command, settings.state_dir)


@pytest.fixture(scope="module")
def state_of_commands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory whose chain has some commands, to be copied."""
    run = partial(command, tmp_path_factory.mktemp("written") / "state")
    succeeded(run("user", "add", "ada", "--password-stdin", stdin=f"{PASSWORD}\n"))
    succeeded(run("token", "create", "ada", "a\x1b[2Jname"))
    succeeded(run("user", "disable", "ada"))
    succeeded(run("server", "add", "kvm1", "qemu+ssh://root@kvm1/system"))
    succeeded(run("server", "drain", "kvm1"))
    succeeded(run("webhook", "add", "https://example.com/x"))
    succeeded(run("webhook", "disable", "1"))
    succeeded(run("webhook", "remove", "1"))
    (state,) = run.args
    return Path(state)


@pytest.fixture
def written(hostler: Hostler, settings: Settings, state_of_commands: Path) -> Hostler:
    """The chain of these commands."""
    shutil.copytree(state_of_commands, settings.state_dir)
    return hostler


def tamper(settings: Settings, statement: str, *but_for: str) -> None:
    with closing(sqlite3.connect(settings.state_dir / "hostler.sqlite3")) as database, database:
        dropped = database.execute("SELECT name, sql FROM sqlite_master WHERE name LIKE 'audit_entry_%'").fetchall()
        for name, _ in dropped:
            database.execute(f"DROP TRIGGER {name}")
        database.execute(statement)
        for name, made in dropped:
            if name not in but_for:
                database.execute(made)


def test_what_commands_did_is_listed_by_whom_and_in_which_order(written: Hostler) -> None:
    table = succeeded(written("audit", "list")).splitlines()
    lines = [json.loads(line) for line in succeeded(written("audit", "list", "--json")).splitlines()]

    account = pwd.getpwuid(os.geteuid()).pw_name
    assert table[0].split() == ["ID", "AT", "ACTOR", "AUTH", "ADDRESS", "ACTION", "TARGET", "OUTCOME"]
    assert [line["action"] for line in lines] == [
        "database.migrate",
        "user.create",
        "token.create",
        "user.change",
        "server.create",
        "server.change",
        "webhook.create",
        "webhook.change",
        "webhook.delete",
    ]
    assert [line["id"] for line in lines] == list(range(1, 10))
    assert {line["auth"] for line in lines} == {"cli"}
    assert {line["actor"].partition(" ")[0] for line in lines} == {account}
    assert {line["address"] for line in lines} == {None}
    assert PASSWORD not in json.dumps(lines)


def test_a_name_can_not_speak_to_the_terminal(written: Hostler) -> None:
    for arguments in (("audit", "list"), ("audit", "list", "--json")):
        shown = succeeded(written(*arguments))
        assert "\x1b" not in shown
        assert "name" in shown


def test_what_is_looked_for(written: Hostler) -> None:
    def found(*options: str) -> list[str]:
        output = succeeded(written("audit", "list", "--json", *options))
        return [json.loads(line)["action"] for line in output.splitlines()]

    assert found("--action", "user.*") == ["user.create", "user.change"]
    assert found("--target-kind", "server", "--target-id", "1") == ["server.create", "server.change"]
    assert found("--outcome", "denied") == []
    assert found("--limit", "2") == ["webhook.change", "webhook.delete"]
    assert len(found("--limit", "0")) == 9
    assert found("--until", "2020-01-01") == []
    assert len(found("--since", "2020-01-01T00:00:00Z")) == 9


def test_who_looks_for_nonsense_is_told(written: Hostler) -> None:
    assert "is no outcome" in written("audit", "list", "--outcome", "perhaps").stderr
    assert written("audit", "list", "--since", "yesterday").returncode == 2
    refused = written("audit", "verify", "--head", "7")
    assert (refused.returncode, refused.stderr) == (
        1,
        "hostler: '7' is no head: it is what 'hostler audit head' shows, number:hash\n",
    )


def test_the_list_is_what_the_hashes_are_of(written: Hostler) -> None:
    previous = "0" * 64
    for line in succeeded(written("audit", "list", "--json", "--limit", "0")).splitlines():
        entry = json.loads(line)
        own = entry.pop("hash")
        text = json.dumps(entry, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        assert hashlib.sha256(text.encode()).hexdigest() == own
        assert entry["previous_hash"] == previous
        previous = own


def test_the_script_of_the_docs_checks_the_chain_without_us(written: Hostler) -> None:
    (script,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/audit.md").read_text("utf-8"), re.DOTALL)
    lines = succeeded(written("audit", "list", "--json", "--limit", "0")).splitlines()

    def check(given: list[str]) -> subprocess.CompletedProcess[str]:
        text = "".join(f"{line}\n" for line in given)
        return subprocess.run([sys.executable, "-c", script], input=text, text=True, capture_output=True, check=False)

    assert check(lines).returncode == 0
    assert "entry 4 was changed" in check([*lines[:3], lines[3].replace('"cli"', '"tui"'), *lines[4:]]).stderr
    assert "something before 5 is missing" in check(lines[:3] + lines[4:]).stderr


def test_a_whole_chain_is_verified_and_so_is_its_head(written: Hostler) -> None:
    head = succeeded(written("audit", "head")).strip()

    assert head.startswith("9:")
    assert succeeded(written("audit", "verify")) == f"9 entries, 1 to {head}, are as they were written\n"
    succeeded(written("user", "enable", "ada"))
    assert succeeded(written("audit", "verify", "--head", head)).startswith("10 entries")


def test_each_entry_is_in_the_log_with_its_hash(hostler: Hostler) -> None:
    result = hostler("user", "add", "ada", "--password-stdin", stdin=f"{PASSWORD}\n")

    assert f"hash={succeeded(hostler('audit', 'head')).strip().partition(':')[2]}" in result.stderr
    assert PASSWORD not in result.stderr


def test_a_changed_entry_is_named_and_the_exit_code_is_1(written: Hostler, settings: Settings) -> None:
    tamper(settings, "UPDATE audit_entry SET actor = 'nobody' WHERE id = 4")

    result = written("audit", "verify")

    assert result.returncode == 1
    assert result.stdout.startswith("3 entries, 1 to 3:")
    assert result.stderr == "hostler: Entry 4 of the audit: it was changed after it was written\n"


def test_a_chain_that_lost_its_end_is_told_by_its_head(written: Hostler, settings: Settings) -> None:
    head = succeeded(written("audit", "head")).strip()
    tamper(settings, "DELETE FROM audit_entry WHERE id > 7")

    assert written("audit", "verify").returncode == 0
    result = written("audit", "verify", "--head", head)

    assert result.returncode == 1
    assert result.stderr == (
        "hostler: Entry 8 of the audit: it and all up to entry 9 are missing, which was the head\n"
    )


def test_a_dropped_trigger_is_a_failure_of_its_own(written: Hostler, settings: Settings) -> None:
    tamper(settings, "SELECT 1", "audit_entry_changed")

    result = written("audit", "verify")

    assert result.returncode == 1
    assert "are as they were written" in result.stdout
    assert result.stderr == "hostler: The database lets the audit be changed: it lacks audit_entry_changed\n"
    succeeded(written("migrate"))
    succeeded(written("audit", "verify"))


def test_a_head_that_was_pruned_is_not_called_good(written: Hostler, settings: Settings) -> None:
    with closing(sqlite3.connect(settings.state_dir / "hostler.sqlite3")) as database:
        old, last = database.execute("SELECT id, hash FROM audit_entry WHERE id IN (2, 4) ORDER BY id").fetchall()
    code = (
        "import asyncio\n"
        "from tortoise.transactions import in_transaction\n"
        "from hostler.audit import retention\n"
        "from hostler.audit.record import PRUNE, Target, record\n"
        "from hostler.database import Database\n"
        "from hostler.settings import Settings\n"
        "async def main():\n"
        "    async with Database(Settings.load()):\n"
        "        async with in_transaction():\n"
        f"            record(PRUNE, target=Target('audit', {last[0]}), after={{'hash': '{last[1]}'}})\n"
        "        await retention._delete()\n"
        "asyncio.run(main())\n"
    )
    environment = os.environ | {"HOSTLER_STATE_DIR": str(settings.state_dir)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)

    pruned = written("audit", "verify", "--head", f"{old[0]}:{old[1]}")

    assert pruned.returncode == 1
    assert f"The head 2:{old[1]} was not compared: pruned by entry 10" in pruned.stderr
    succeeded(written("audit", "verify", "--head", f"{last[0]}:{last[1]}"))
