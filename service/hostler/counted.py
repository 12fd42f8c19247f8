# SPDX-License-Identifier: GPL-3.0-or-later
"""A number of things, in words."""

from __future__ import annotations


def counted(number: int, one: str) -> str:
    """So many of what ``one`` is called if it is one, as in "1 VM" and "2 VMs"."""
    return f"{number} {one if number == 1 else f'{one}s'}"
