# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes first where many hosts are looked at together: what all their VMs do, and then what each VM is.

The one is a call a host, and all that is asked of most VMs; the other is a definition a VM, and takes a hundred times
as long. Of a service that has just begun to watch hundreds of hosts nobody wants to wait for the one behind the other.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

_BEGIN = 16
"""Hosts that are asked at once: of hundreds the first ones are written down then, while the others are still asked."""
_READINGS = 8
"""Batches of definitions that are read at once, of all hosts together: more take memory, and are no faster for it."""
_PATIENCE_SECONDS = 1.0
"""So long others wait for a host that begins: it may hang."""
_READING_PATIENCE_SECONDS = 10.0
"""So long others wait for a batch that is read: storage may hang, of many hosts at once where they share it."""


class Precedence:
    """Shared by the lookouts of all hosts."""

    def __init__(self) -> None:
        self._beginning = 0
        self._one_has_begun = asyncio.Event()
        self._places = asyncio.Semaphore(_BEGIN)
        self._readings = asyncio.Semaphore(_READINGS)

    @contextlib.asynccontextmanager
    async def first(self) -> AsyncIterator[None]:
        """In the block, which a few hosts are in at once, it is found out what all VMs of a host do."""
        self._beginning += 1
        try:
            await self._places.acquire()
            with _released(self._places, _PATIENCE_SECONDS):
                yield
        finally:
            self._beginning -= 1
            self._one_has_begun.set()
            self._one_has_begun = asyncio.Event()

    @contextlib.asynccontextmanager
    async def later(self) -> AsyncIterator[None]:
        """In the block some definitions are read."""
        await self._readings.acquire()
        try:
            with contextlib.suppress(TimeoutError):
                while self._beginning:
                    async with asyncio.timeout(_PATIENCE_SECONDS):
                        await self._one_has_begun.wait()
        except BaseException:
            self._readings.release()
            raise
        with _released(self._readings, _READING_PATIENCE_SECONDS):
            yield


@contextlib.contextmanager
def _released(places: asyncio.Semaphore, patience: float) -> Iterator[None]:
    """One of ``places`` is given back at the end of the block, or after ``patience`` seconds in it."""
    with contextlib.ExitStack() as place:
        place.callback(places.release)
        limit = asyncio.get_running_loop().call_later(patience, place.close)
        place.callback(limit.cancel)
        yield
