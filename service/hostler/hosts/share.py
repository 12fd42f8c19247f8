# SPDX-License-Identifier: GPL-3.0-or-later
"""How many hosts each service watches: as many as any other, or one more."""

from __future__ import annotations

from collections.abc import Mapping


def share_of(name: str, held: Mapping[str, int], hosts: int) -> int:
    """How many of ``hosts`` the service of that name should watch; ``held`` are those that each watches now.

    Where they can't be divided evenly, those that have most keep one more: nothing moves that need not.
    """
    whole, rest = divmod(hosts, len(held))
    in_turn = sorted(held, key=lambda one: (-held[one], one))
    return whole + (in_turn.index(name) < rest)
