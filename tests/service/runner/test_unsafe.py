# SPDX-License-Identifier: GPL-3.0-or-later
"""Every string is wrapped, wherever it stands; everything that can't be made safe is refused."""

from __future__ import annotations

import json
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostler.runner.unsafe import unsafe

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\t\r\n"))
NAME = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True).filter(
    lambda name: not name.startswith("__ansible_")
)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAME, inner, max_size=4),
    max_leaves=20,
)


def unwrapped(value: Any) -> Any:
    """Undo the wrapping; fail on a string that is not wrapped."""
    assert not isinstance(value, str), f"{value!r} would be templated"
    if isinstance(value, dict) and "__ansible_unsafe" in value:
        assert list(value) == ["__ansible_unsafe"]
        assert isinstance(value["__ansible_unsafe"], str)
        return value["__ansible_unsafe"]
    if isinstance(value, dict):
        return {key: unwrapped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [unwrapped(item) for item in value]
    return value


@given(VALUE)
def test_wraps_every_string_and_changes_nothing_else(value: object) -> None:
    assert unwrapped(json.loads(json.dumps(unsafe(value)))) == value


def test_leaves_numbers_booleans_and_null_as_they_are() -> None:
    assert unsafe({"a": 1, "b": True, "c": None, "d": 1.5}) == {"a": 1, "b": True, "c": None, "d": 1.5}


def test_takes_mappings_tuples_and_enums_for_what_they_hold() -> None:
    class Colour(StrEnum):
        RED = "{{ red }}"

    class Size(IntEnum):
        BIG = 9

    value = unsafe(MappingProxyType({"a": (Colour.RED, Size.BIG)}))

    assert json.dumps(value) == '{"a": [{"__ansible_unsafe": "{{ red }}"}, 9]}'


@pytest.mark.parametrize(
    "key",
    [
        "{{ lookup('pipe', 'id') }}",
        "__ansible_unsafe",
        "__ansible_vault",
        "a b",
        "a-b",
        "a.b",
        "1a",
        "",
        "name\n",
        "ñ",
        1,
        None,
    ],
)
def test_refuses_a_key_that_is_no_plain_name_at_any_depth(key: object) -> None:
    with pytest.raises(ValueError, match="is no name"):
        unsafe({"a": [{key: "text"}]})


@pytest.mark.parametrize("text", ["a\0b", "\x1b[K", "\x07", "\x1f", "\ud800"])
def test_refuses_a_control_character_at_any_depth(text: str) -> None:
    with pytest.raises(ValueError, match="not allowed"):
        unsafe({"a": [text]})


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_refuses_a_number_that_json_does_not_know(number: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        unsafe(number)


@pytest.mark.parametrize("value", [b"bytes", {1, 2}, object()])
def test_refuses_what_is_no_json(value: object) -> None:
    with pytest.raises(TypeError, match="can't be given to a playbook"):
        unsafe({"a": value})
