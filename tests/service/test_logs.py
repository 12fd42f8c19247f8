# SPDX-License-Identifier: GPL-3.0-or-later
"""The log: its shape, and what never stands in it."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Callable

import pytest
import structlog

from hostler import logs
from hostler.accounts.opaque import new_api_token, new_refresh_token
from hostler.accounts.signing import AccessClaims, load_signer
from hostler.settings import Settings

Configure = Callable[[str, str], io.StringIO]


@pytest.fixture
def configure(settings: Settings, log_undone: None) -> Configure:
    """Configure the log as the process would, into a text of the test's; undone at the end."""
    stream = io.StringIO()

    def apply(log_format: str, log_level: str) -> io.StringIO:
        logs.configure(settings.model_copy(update={"log_format": log_format, "log_level": log_level}), stream)
        return stream

    return apply


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


def test_what_a_pool_does_for_each_query_is_no_news(configure: Configure) -> None:
    stream = configure("json", "info")

    logging.getLogger("psycopg.pool").info("connection given by 'pool-1'")
    assert stream.getvalue() == ""

    logging.getLogger("psycopg.pool").warning("error connecting in 'pool-1'")
    assert "error connecting" in stream.getvalue()


def test_the_level_is_kept(configure: Configure) -> None:
    stream = configure("console", "warning")

    structlog.get_logger("hostler.test").info("quiet")
    logging.getLogger("other").info("quiet")
    structlog.get_logger("hostler.test").warning("loud")

    assert "quiet" not in stream.getvalue()
    assert "loud" in stream.getvalue()


HOSTILE = (
    "x\n2026-01-01T00:00:00Z [info] request status=200",
    "\x1b[2Jgone",
    "\x1b]0;title\x07",
    "a\rb",
    "\u202egnp.exe",
    "a\u2028b\x85c",
    "\x9b31m",
    "\udcff",
)


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
@pytest.mark.parametrize("log_format", ["json", "console"])
def test_what_a_user_wrote_can_neither_forge_a_line_nor_speak_to_a_terminal(
    configure: Configure, log_format: str, text: str
) -> None:
    stream = configure(log_format, "info")
    log = structlog.get_logger("hostler.test")

    log.info("value", path=text, words=f"{text} and more", nested={text: [text]})
    log.info(text)
    logging.getLogger("other").warning("got %s", text)
    try:
        raise ValueError(text)
    except ValueError:
        log.exception("failed", reason=text)

    lines = stream.getvalue().split("\n")
    assert lines.pop() == ""
    assert [line for line in lines if not line.isprintable()] == []
    if log_format == "json":
        assert [json.loads(line)["event"] for line in lines] == ["value", text, f"got {text}", "failed"]
    else:
        begun = [line for line in lines if not line.startswith("    ")]
        assert len(begun) == 4
        assert all("hostler.test" in line or "other" in line for line in begun)


def test_a_plain_text_is_shown_as_it_was_written(configure: Configure) -> None:
    stream = configure("console", "info")

    structlog.get_logger("hostler.test").info("vm.appeared", name="wéb-01", note="two words")

    assert "name=wéb-01" in stream.getvalue()
    assert "note='two words'" in stream.getvalue()


def test_warnings_of_python_are_lines_as_all_others(configure: Configure) -> None:
    stream = configure("json", "info")

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("something is old", DeprecationWarning, stacklevel=1)

    (line,) = stream.getvalue().splitlines()
    assert "something is old" in json.loads(line)["event"]


@pytest.mark.parametrize("value", [{"a": ("x", ["y"])}, ["x", {"b": 1}], ("x",), 7, None, "text"])
def test_what_is_no_secret_is_left_as_it_is(value: object) -> None:
    assert logs.redact(value) == value
