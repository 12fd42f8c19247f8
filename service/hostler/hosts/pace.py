# SPDX-License-Identifier: GPL-3.0-or-later
"""How often hosts that are away are tried."""

from __future__ import annotations

import asyncio
import time

_TRIES_A_SECOND = 20  # to get back to hosts that are away, of all hosts together: over ssh each try is a process


class Pace:
    """How often hosts that are away are tried, all together."""

    def __init__(self) -> None:
        self._next = 0.0

    async def turn(self) -> None:
        """Wait for a turn."""
        now = time.monotonic()
        self._next = max(self._next, now) + 1 / _TRIES_A_SECOND
        await asyncio.sleep(self._next - 1 / _TRIES_A_SECOND - now)
