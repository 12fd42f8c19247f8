# SPDX-License-Identifier: GPL-3.0-or-later
"""Log lines and messages are plain text, of a length that a screen can show."""

from __future__ import annotations

import pytest

from hostler.runner.text import log_lines, sentence


def test_lines_lose_colours_control_characters_and_emptiness() -> None:
    assert log_lines("\r\n\x1b[0;33mchanged: [a]\x1b[0m\r\n\r\n\x1b]0;title\x07x\x08\x9by\tz  \n") == [
        "changed: [a]",
        "xy\tz",
    ]


def test_lines_end_where_the_service_s_files_would_be_shown() -> None:
    assert log_lines("[WARNING]: Odd.\nOrigin: /srv/secret/place.yml:3:7\n\n3 - hosts: all") == ["[WARNING]: Odd."]


def test_long_lines_and_messages_are_cut() -> None:
    assert log_lines("x" * 5000) == ["x" * 1000 + "…"]
    assert sentence("x" * 5000) == "x" * 1000 + "…"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("The pool is full.", "The pool is full."),
        (" Two\n  lines\t. ", "Two lines ."),
        ("Task failed: Module failed: No.", "No."),
        ("It said: Task failed: No.", "It said: Task failed: No."),
        ("\x1b[31mred\x1b[0m", "red"),
        ("", None),
        (" \n", None),
        (None, None),
        (["a"], None),
    ],
)
def test_a_message_is_one_line(message: object, expected: str | None) -> None:
    assert sentence(message) == expected
