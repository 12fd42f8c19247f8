# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes first where many hosts are looked at together: what all their VMs do, and then what each VM is.

The one is a call a host, and all that is asked of most VMs; the other is a definition a VM, and takes a hundred times
as long. Of a service that has just begun to watch hundreds of hosts nobody wants to wait for the one behind the other.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

_READINGS = 8
"""Batches of definitions that are read at once, of all hosts together: more take memory, and are no faster for it."""
_PATIENCE_SECONDS = 2.0
"""So long a batch waits for hosts that begin: one of them may be about to hang."""


class Precedence:
    """Shared by the lookouts of all hosts."""

    def __init__(self) -> None:
        self._beginning = 0
        self._nobody_begins = asyncio.Event()
        self._nobody_begins.set()
        self._readings = asyncio.Semaphore(_READINGS)

    @contextlib.contextmanager
    def first(self) -> Iterator[None]:
        """In the block it is found out what all VMs of a host do."""
        self._beginning += 1
        self._nobody_begins.clear()
        try:
            yield
        finally:
            self._beginning -= 1
            if not self._beginning:
                self._nobody_begins.set()

    @contextlib.asynccontextmanager
    async def later(self) -> AsyncIterator[None]:
        """In the block some definitions are read."""
        async with self._readings:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    await self._nobody_begins.wait()
            yield
