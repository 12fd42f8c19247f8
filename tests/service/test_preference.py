# SPDX-License-Identifier: GPL-3.0-or-later
"""``Prefer``, as RFC 7240 has it."""

from __future__ import annotations

import pytest

from hostler.preference import Preference, parse


@pytest.mark.parametrize(
    "header",
    [
        "respond-async",
        "Respond-Async",
        "  respond-async  ",
        "respond-async=",
        'respond-async=""',
        "return=minimal, respond-async",
        'x="a, b", respond-async',
        'x="a\\", b" ; y="c, d";z , respond-async;foo=bar',
        "respond-async, respond-async=no",
        ", ,respond-async,",
        "this is, nonsense =, respond-async",
    ],
)
def test_a_client_would_rather_not_wait(header: str) -> None:
    assert parse(header) == Preference(respond_async=True, wait=0)


@pytest.mark.parametrize(
    "header",
    [
        "",
        ",",
        "return=minimal",
        'x="respond-async"',
        "respond-asynchronous",
        "respond-async=false",
        "respond-async=no, respond-async",
        "wait=5",
        '"respond-async"',
        "respond async",
    ],
)
def test_a_client_waits(header: str) -> None:
    assert not parse(header).respond_async


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("respond-async, wait=10", 10),
        ("wait=10, respond-async", 10),
        ('respond-async, WAIT = "7"', 7),
        ("respond-async, wait=1, wait=2", 1),
        ("respond-async, wait=-1", 0),
        ("respond-async, wait=soon", 0),
        ("respond-async, wait=1.5", 0),
        ("respond-async, wait", 0),
        (f"respond-async, wait={'9' * 5000}", 0),
    ],
)
def test_or_waits_for_as_long_as_it_says(header: str, wait: int) -> None:
    assert parse(header) == Preference(respond_async=True, wait=wait)
