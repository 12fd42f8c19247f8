# SPDX-License-Identifier: GPL-3.0-or-later
"""``hostler schedule``, as processes of its own, without a service."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing

import pytest

from hostler.settings import Settings
from tests.service.cli.command import Hostler, hostler, succeeded

__all__ = ["hostler"]

ADD_USER = (
    "INSERT INTO user_account (id, username, username_key, password_hash, permissions, enabled, session_epoch,"
    " created_at, updated_at) VALUES (1, 'ada', 'ada', '', '[\"read\", \"write\"]', 1, 1,"
    " '2026-01-01 00:00:00+00:00', '2026-01-01 00:00:00+00:00')"
)
ADD = (
    "INSERT INTO schedule (uid, name, description, owner_id, owner_name, cron, time_zone, do, missed, grace_seconds,"
    " overlap, paused, next_run_at, created_at, updated_at) VALUES ('u', 'nightly', '', 1, 'ada', '0 2 * * *',"
    ' \'Europe/Berlin\', \'{"action": "stop", "filter": {"tags": ["web"]}}\', \'skip\', 300, \'skip\', 0,'
    " '2026-01-01 01:00:00+00:00', '2026-01-01 00:00:00+00:00', '2026-01-01 00:00:00+00:00')"
)


@pytest.mark.slow
@pytest.mark.rule("schedule-pause")
def test_schedules_are_listed_paused_resumed_and_deleted_without_a_service(
    hostler: Hostler, settings: Settings
) -> None:
    assert succeeded(hostler("schedule", "list")).split()[:3] == ["ID", "NAME", "OWNER"]
    with closing(sqlite3.connect(settings.state_dir / "hostler.sqlite3")) as database, database:
        database.execute(ADD_USER)
        database.execute(ADD)

    listed = succeeded(hostler("schedule", "list"))
    line = r"^1 +nightly +ada +0 2 \* \* \* Europe/Berlin +stop +waiting +2026-01-01T01:00:00Z +- +-$"
    assert re.search(line, listed, re.M)
    assert succeeded(hostler("schedule", "pause", "1")) == "Schedule 1 paused\n"
    assert re.search(r"^1 .* paused +- +- +-$", succeeded(hostler("schedule", "list")), re.M)
    resumed = succeeded(hostler("schedule", "resume", "1"))
    assert re.fullmatch(r"Schedule 1 resumed, next run 20\d\d-\d\d-\d\dT0[01]:00:00Z\n", resumed)
    assert "What was due from 2026-01-01T01:00:00Z on was left out" in succeeded(hostler("schedule", "list"))
    with closing(sqlite3.connect(settings.state_dir / "hostler.sqlite3")) as database, database:
        database.execute("UPDATE user_account SET enabled = 0")
    succeeded(hostler("schedule", "pause", "1"))
    refused = hostler("schedule", "resume", "1")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("hostler: Its owner 'ada' is disabled")

    assert succeeded(hostler("schedule", "delete", "1")) == "Schedule 1 deleted\n"
    missing = hostler("schedule", "delete", "1")
    assert (missing.returncode, missing.stderr) == (1, "hostler: Schedule with ID 1 not found\n")

    listed = succeeded(hostler("audit", "list", "--target-kind", "schedule"))
    verbs = re.findall(r"^\d+ .* cli +- +schedule\.(\w+) +schedule 1 nightly +succeeded$", listed, re.M)
    assert verbs == ["pause", "resume", "pause", "delete"]
