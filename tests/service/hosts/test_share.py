# SPDX-License-Identifier: GPL-3.0-or-later
"""How many hosts each service should watch."""

from __future__ import annotations

import pytest

from hostler.hosts.share import share_of


@pytest.mark.parametrize(
    ("held", "hosts", "shares"),
    [
        ({"a": 0}, 5, {"a": 5}),
        ({"a": 5, "b": 0}, 5, {"a": 3, "b": 2}),
        ({"a": 0, "b": 0, "c": 0}, 8, {"a": 3, "b": 3, "c": 2}),
        ({"a": 5, "b": 5, "c": 0}, 10, {"a": 4, "b": 3, "c": 3}),
        # whoever has one more keeps it, whatever it is called
        ({"a": 2, "b": 2, "c": 3}, 7, {"a": 2, "b": 2, "c": 3}),
        ({"a": 0, "b": 1, "c": 0}, 1, {"a": 0, "b": 1, "c": 0}),
        ({"a": 0, "b": 0}, 0, {"a": 0, "b": 0}),
    ],
)
def test_all_watch_as_many_but_for_one(held: dict[str, int], hosts: int, shares: dict[str, int]) -> None:
    assert {name: share_of(name, held, hosts) for name in held} == shares
    assert sum(shares.values()) == hosts


def test_once_it_is_even_nothing_moves_any_more() -> None:
    for hosts in range(12):
        for services in range(1, 6):
            held = dict.fromkeys(map(str, range(services)), 0)
            for _ in range(2):
                held = {name: share_of(name, held, hosts) for name in held}
            assert held == {name: share_of(name, held, hosts) for name in held}
