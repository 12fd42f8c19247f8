# SPDX-License-Identifier: GPL-3.0-or-later
"""``ETag`` and ``If-Match``, as RFC 9110 has them."""

from __future__ import annotations

import re

import pytest

from hostler.entity_tag import entity_tag, parse
from hostler.errors import InvalidRequest


def test_a_tag_is_strong_and_the_same_as_long_as_every_value_is() -> None:
    tag = entity_tag({"id": 1, "name": "a", "tags": ["x"], "os_version": None})

    assert re.fullmatch('"[0-9a-f]{32}"', tag)
    assert tag == entity_tag({"os_version": None, "tags": ["x"], "name": "a", "id": 1})
    for other in (
        {"id": 2, "name": "a", "tags": ["x"], "os_version": None},
        {"id": 1, "name": "b", "tags": ["x"], "os_version": None},
        {"id": 1, "name": "a", "tags": [], "os_version": None},
        {"id": 1, "name": "a", "tags": ["x"], "os_version": "None"},
    ):
        assert entity_tag(other) != tag


@pytest.mark.parametrize(
    ("header", "holds"),
    [
        ('"abc"', True),
        ('"x", "abc"', True),
        ('"x","abc" , "y"', True),
        (' , "abc",', True),
        ("*", True),
        (" * ", True),
        ('"ABC"', False),
        ('"x", "y"', False),
        ('W/"abc"', False),
        ('""', False),
        ('"a,b", "c"', False),
    ],
)
def test_a_list_holds_if_one_of_it_is_the_tag(header: str, holds: bool) -> None:
    assert parse(header).holds('"abc"') is holds


@pytest.mark.parametrize(
    "header", ["", "abc", '"abc', 'abc"', '"a" "b"', "*, *", '*, "abc"', 'w/"abc"', '"a\x7f"', ","]
)
def test_what_is_no_list_of_tags_is_refused_and_named(header: str) -> None:
    with pytest.raises(InvalidRequest, match="'If-Match'") as refused:
        parse(header)

    assert [problem.field for problem in refused.value.errors] == ["If-Match"]
