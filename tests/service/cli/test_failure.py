# SPDX-License-Identifier: GPL-3.0-or-later
"""What a command says of what it can't do anything with, instead of a stack."""

from __future__ import annotations

import sys

import pytest
from typer.testing import CliRunner

from hostler.cli.failure import sentence
from hostler.cli.main import app

NO_UTF8 = b"\xff".decode("utf-8", "surrogateescape")


def _error_of(text: str) -> UnicodeEncodeError:
    with pytest.raises(UnicodeEncodeError) as raised:
        text.encode()
    return raised.value


def test_an_argument_that_is_no_utf8_is_told_and_shown_as_a_terminal_may_have_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["hostler", "server", "drain", f"a{NO_UTF8}"])

    assert sentence(_error_of(f"a{NO_UTF8}")) == r"The argument 'a\udcff' is no text in UTF-8"
    # what nobody has typed is a mistake of ours
    assert sentence(_error_of(f"b{NO_UTF8}")) is None


@pytest.mark.parametrize(
    "arguments",
    [
        ("webhook", "remove", "0"),
        ("webhook", "enable", str(2**31)),
        ("token", "revoke", str(2**63)),
        ("webhook", "redeliver", "1", "0"),
        ("webhook", "redeliver", "1", str(2**63)),
    ],
)
def test_an_id_that_no_row_can_have_is_a_wrong_command_line(arguments: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, list(arguments))

    assert result.exit_code == 2
    assert "Invalid value for" in result.output
