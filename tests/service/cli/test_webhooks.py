# SPDX-License-Identifier: GPL-3.0-or-later
"""``hostler webhook``, as processes of its own, without a service."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from hostler.settings import Settings
from tests.service.cli.command import Hostler, hostler, succeeded
from tests.service.webhooks.receiver import Receiver, always

__all__ = ["hostler"]

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.mark.slow
def test_webhooks_are_managed_tested_and_their_dead_letters_sent_without_a_service(
    hostler: Hostler, receiver: Receiver, settings: Settings
) -> None:
    loopback = {"HOSTLER_WEBHOOK_DESTINATIONS": '["loopback"]'}
    added = succeeded(hostler("webhook", "add", receiver.url, "-k", "vm.*", "--description", "portal", **loopback))
    secret = re.fullmatch(r"Webhook 1 added\nSecret: (whsec_\S+)\n", added)
    assert secret is not None

    tested = succeeded(hostler("webhook", "test", "1", **loopback))
    assert re.fullmatch(r"Delivered: the receiver answered 204 after \d+ ms\n", tested)
    assert receiver.received[0].is_signed_with(secret[1])
    rotated = hostler("webhook", "rotate-secret", "1", "--secret-stdin", stdin=f"{SECRET}\n", **loopback)
    assert succeeded(rotated) == f"Secret: {SECRET}\n"
    forbidden = hostler("webhook", "test", "1")
    assert (forbidden.returncode, forbidden.stdout) == (1, "")
    assert forbidden.stderr.startswith("hostler: The setting webhook_destinations does not allow the address 127.0.0.1")

    with closing(sqlite3.connect(settings.state_dir / "hostler.sqlite3")) as database, database:
        for number in (1, 2):
            database.execute(
                "INSERT INTO webhook_delivery (webhook_id, event_id, kind, state, tries, error, body, event_at,"
                " tried_at) VALUES (1, ?, 'vm.changed', 'failed', 8, 'The receiver answered 500', '{}',"
                " '2026-01-01 00:00:00+00:00', '2026-01-01 00:05:00+00:00')",
                (number,),
            )
    listed = succeeded(hostler("webhook", "failed", "1"))
    assert re.search(r"^2 +2 +vm.changed +2026-01-01T00:00:00Z +8 +\S+ +The receiver answered 500$", listed, re.M)
    receiver.reply = always(500)
    refused = hostler("webhook", "redeliver", "1", **loopback)
    assert (refused.returncode, refused.stdout) == (1, "0 delivered\n")
    assert refused.stderr == "hostler: Delivery 1 failed again: The receiver answered 500\n"
    receiver.reply = always(200)
    assert succeeded(hostler("webhook", "redeliver", "1", **loopback)) == "2 delivered\n"
    assert receiver.received[-1].is_signed_with(SECRET)
    assert receiver.received[-1].is_signed_with(secret[1])
    assert succeeded(hostler("webhook", "failed", "1")).count("\n") == 1

    changed = hostler("webhook", "change", "1", "-k", "job.*", "-k", "schedule.*", "--server-id", "7", **loopback)
    assert succeeded(changed) == "Webhook 1 changed\n"
    assert " job.*,schedule.* " in succeeded(hostler("webhook", "list"))
    succeeded(hostler("webhook", "change", "1", "-k", "", "--server-id", "0"))
    assert " all " in succeeded(hostler("webhook", "list"))
    succeeded(hostler("webhook", "change", "1", "-k", "vm.*", "--description", "the portal"))
    succeeded(hostler("webhook", "disable", "1"))
    line = succeeded(hostler("webhook", "list")).splitlines()[1]
    assert re.fullmatch(rf"1 +{re.escape(receiver.url)} +vm\.\* +disabled +never +0 +-", line)
    succeeded(hostler("webhook", "enable", "1"))
    succeeded(hostler("webhook", "remove", "1"))
    assert succeeded(hostler("webhook", "list")).count("\n") == 1
    assert hostler("webhook", "remove", "1").stderr == "hostler: Webhook with ID 1 not found\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "http://127.0.0.1/"), "hostler: The request is not valid: 'url': The setting webhook_destinations"),
        (
            ("add", "http://x/", "--kind", "vm.started"),
            "hostler: The webhook is not valid: kinds: each should be one of",
        ),
        (("change", "1"), "hostler: Nothing is to be changed: say what by an option"),
        (("change", "1", "--kind", "vm.started"), "hostler: The webhook is not valid: kinds: each should be one of"),
        (("change", "1", "--description", "x"), "hostler: Webhook with ID 1 not found"),
        (("add", "http://x/", "--secret-stdin"), "hostler: The webhook is not valid: secret: it should be whsec_"),
    ],
)
def test_what_is_wrong_is_a_sentence(hostler: Hostler, arguments: tuple[str, ...], said: str) -> None:
    succeeded(hostler("migrate"))  # which a command does by itself, and says so in the log
    result = hostler("webhook", *arguments, stdin="no secret\n")

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(said), result.stderr
    assert "no secret" not in result.stderr
