# SPDX-License-Identifier: GPL-3.0-or-later
"""What a site may keep with a VM, and what it may not."""

from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.metadata import (
    MOST_ENTRIES,
    combined,
    entries_of,
    metadata_errors,
)


@pytest.mark.parametrize("key", ["a", "A1", "site.example/owner", "x:y-z_0", "k" * 63])
@pytest.mark.parametrize("value", ["x", "", None, "zoë 名前 😀\n</hostler:entry>]]>", "x" * 4096])
def test_texts_by_keys_are_kept(key: str, value: Any) -> None:
    assert list(metadata_errors({key: value})) == []


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"": "x"}, "metadata"),
        ({"a b": "x"}, "metadata"),
        ({"-a": "x"}, "metadata"),
        ({"a\n": "x"}, "metadata"),
        ({"k" * 64: "x"}, "metadata"),
        ({1: "x"}, "metadata"),
        ({"a": 1}, "metadata.a"),
        ({"a": True}, "metadata.a"),
        ({"a": {"b": "c"}}, "metadata.a"),
        ({"a": "x" * 4097}, "metadata.a"),
        ({"a": "\x00"}, "metadata.a"),
        ({"a": "\ud800"}, "metadata.a"),
        ({f"k{number}": "x" for number in range(MOST_ENTRIES + 1)}, "metadata"),
    ],
    ids=ascii,
)
def test_what_could_not_be_written_down_is_refused_by_its_key(values: dict[Any, Any], field: str) -> None:
    assert [error.field for error in metadata_errors(values)] == [field]


def test_a_key_without_a_text_goes_and_the_order_is_the_keys() -> None:
    assert entries_of(combined((("b", "1"), ("c", "2")), {"b": None, "a": "3"})) == (("a", "3"), ("c", "2"))
