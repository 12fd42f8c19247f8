# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM's snapshots among each other, and what is told of one."""

import dataclasses

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.snapshot import (
    children_of,
    in_order,
    with_descendants,
)
from tests.core.snapshots import NOW, external, internal

TREE = [
    internal("second", "first", created=NOW + 1),
    internal("deepest", "deeper", created=NOW + 1),
    internal("deeper", "second", created=NOW + 1),
    internal("beside", "first", created=NOW + 2),
    internal("first"),
]


def names(snapshots: list[object]) -> list[str]:
    return [getattr(one, "name", "") for one in snapshots]


def test_the_order_is_that_of_time_and_within_a_second_that_of_the_tree() -> None:
    assert names(list(in_order(TREE))) == ["first", "second", "deeper", "deepest", "beside"]


def test_a_tree_that_bites_its_tail_has_an_order_too() -> None:
    assert len(in_order([internal("a", "b"), internal("b", "a")])) == 2


def test_those_that_came_directly_after_one_are_its_children() -> None:
    assert children_of(TREE, "first") == ["second", "beside"]
    assert children_of(TREE, "beside") == []


def test_each_stands_before_its_parent_where_all_that_came_after_one_are_removed() -> None:
    assert names(list(with_descendants(TREE, "second"))) == ["deepest", "deeper", "second"]
    every = names(list(with_descendants(TREE, "first")))
    assert sorted(every) == sorted(names(list(TREE)))
    for one in TREE:
        assert one.parent is None or every.index(one.name) < every.index(one.parent)
    assert with_descendants(TREE, "nobody") == []


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ("running", "running"),
        ("disk-snapshot", "running"),
        ("shutoff", "stopped"),
        ("paused", "paused"),
        ("x", "unknown"),
    ],
)
def test_what_the_vm_was_is_said_in_our_words(state: str, word: str) -> None:
    assert internal("a", libvirt_state=state).as_data()["state"] == word


def test_the_size_is_that_of_all_its_files_or_not_told() -> None:
    memory = external("a", memory="external", memory_file="/disks/a.memory")

    assert memory.files == ("/disks/a", "/disks/a.memory")
    assert memory.as_data(["b"], {"/disks/a": 2, "/disks/a.memory": 3, "/other": 5})["size"] == 5
    assert memory.as_data([], {"/disks/a": 2})["size"] is None
    assert memory.as_data()["size"] is None
    assert internal("a").as_data([], {})["size"] is None


def test_all_that_is_known_is_told() -> None:
    one = dataclasses.replace(external("a", "b", description="why", series="nightly"), current=True)

    assert one.as_data(["c"]) == {
        "name": "a", "parent": "b", "children": ["c"], "current": True, "created": "2024-05-06T07:08:09Z",
        "state": "running", "memory": False, "external": True, "description": "why", "series": "nightly",
        "disks": [{"target": "vda", "kind": "external", "overlay": "/disks/a"}], "memory_file": None, "size": None,
    }  # fmt: skip
