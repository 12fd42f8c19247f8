# SPDX-License-Identifier: GPL-3.0-or-later
"""The log: its shape, and what never stands in it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator

import pytest
import structlog

from hostler import logs
from hostler.accounts.opaque import new_api_token, new_refresh_token
from hostler.accounts.signing import AccessClaims, load_signer
from hostler.settings import Settings

Configure = Callable[[str, str], io.StringIO]


@pytest.fixture
def configure(settings: Settings) -> Iterator[Configure]:
    """Configure the log as the process would, into a text of the test's; undone at the end."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()

    def apply(log_format: str, log_level: str) -> io.StringIO:
        logs.configure(settings.model_copy(update={"log_format": log_format, "log_level": log_level}), stream)
        return stream

    yield apply
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_json_line_has_what_was_bound(configure: Configure) -> None:
    stream = configure("json", "info")
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        structlog.get_logger("hostler.test").info("done", vm=7)
        logging.getLogger("uvicorn.error").warning("started on %s", "x")

    ours, uvicorns = [json.loads(line) for line in stream.getvalue().splitlines()]

    assert (ours["event"], ours["vm"], ours["request_id"], ours["level"]) == ("done", 7, "r1", "info")
    assert (uvicorns["event"], uvicorns["request_id"], uvicorns["logger"]) == ("started on x", "r1", "uvicorn.error")
    assert ours["timestamp"].endswith("Z")


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_secrets_are_taken_out_by_key_and_by_look(configure: Configure, settings: Settings, log_format: str) -> None:
    stream = configure(log_format, "debug")
    api_token, _ = new_api_token()
    access_token = load_signer(settings).sign(AccessClaims(1, 1, "s"))
    secrets = [api_token, new_refresh_token(), access_token, "p4ssw0rd"]
    log = structlog.get_logger("hostler.test")

    log.info("x", password="p4ssw0rd", nested={"admin_password": "p4ssw0rd", "list": [{"Authorization": "p4ssw0rd"}]})
    log.info(f"got {secrets[0]} and {secrets[1]} and {secrets[2]}")
    log.info("url", url="postgres://ada:p4ssw0rd@db.example.org/hostler")
    logging.getLogger("other").warning("a header: Bearer %s", access_token)
    try:
        raise ValueError(f"bad token {api_token}")
    except ValueError:
        local = "p4ssw0rd"
        log.exception("failed")
        del local

    output = stream.getvalue()
    assert output.count("failed") == 1
    assert "Traceback" in output
    assert [secret for secret in secrets if secret in output] == []
    assert "db.example.org" in output


def test_libraries_that_log_queries_stay_quiet_at_debug(configure: Configure) -> None:
    stream = configure("json", "debug")

    for name in ("tortoise.db_client", "aiosqlite", "psycopg", "psycopg.pool"):
        logging.getLogger(name).debug("SELECT 'hash'")

    assert stream.getvalue() == ""


def test_the_level_is_kept(configure: Configure) -> None:
    stream = configure("console", "warning")

    structlog.get_logger("hostler.test").info("quiet")
    logging.getLogger("other").info("quiet")
    structlog.get_logger("hostler.test").warning("loud")

    assert "quiet" not in stream.getvalue()
    assert "loud" in stream.getvalue()


@pytest.mark.parametrize("value", [{"a": ("x", ["y"])}, ["x", {"b": 1}], ("x",), 7, None, "text"])
def test_what_is_no_secret_is_left_as_it_is(value: object) -> None:
    assert logs.redact(value) == value
