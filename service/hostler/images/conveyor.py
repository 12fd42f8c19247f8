# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes on their way from a request, which is read in the event loop, to a thread that writes them to a host.

The loop waits when the thread is slow and the thread when the client is, and no more than a few pieces are held.
"""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterator, Iterator
from typing import Any

import structlog
from starlette.requests import ClientDisconnect

from hostler.errors import BadRequest, ServiceError, TooLarge

log = structlog.get_logger(__name__)

_PIECE_BYTES = 256 * 1024
_PIECES_AT_MOST = 8
_IDLE_SECONDS = 60.0


class Conveyor:
    """`carry` puts the bytes in, in the event loop; iterating takes them out, in another thread, once."""

    def __init__(self, largest: int, idle_seconds: float = _IDLE_SECONDS) -> None:
        """Let ``largest`` bytes pass at most, and wait ``idle_seconds`` for each quarter of a MiB of them.

        Who sends less holds a thread of the host's for ever, and others wait for that.
        """
        self._largest = largest
        self._idle_seconds = idle_seconds
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Semaphore(_PIECES_AT_MOST)
        self._pieces: queue.SimpleQueue[bytes | Exception | None] = queue.SimpleQueue()
        self._carrier: asyncio.Task[Any] | None = None

    async def carry(self, source: AsyncIterator[bytes]) -> None:
        """Pass on what ``source`` yields until it ends or nobody takes any more of it.

        That a client goes away, stalls or sends too much is raised where the bytes are taken, not here.
        """
        self._carrier = asyncio.current_task()
        last: Exception | None = _cut_off()
        try:
            async for piece in self._in_pieces(source):
                await self._room.acquire()
                self._pieces.put(piece)
            last = None
        except ServiceError as error:
            last = error
        except Exception:
            log.exception("image.unread")
        finally:
            # also when this was cancelled: a thread waits for it, and would for ever
            self._pieces.put(last)

    def stop(self) -> None:
        """End it, in the event loop: nobody takes any more, or nobody is to."""
        self._pieces.put(_cut_off())
        if self._carrier is not None:
            self._carrier.cancel()

    def __iter__(self) -> Iterator[bytes]:
        while (piece := self._pieces.get()) is not None:
            if isinstance(piece, Exception):
                raise piece
            self._loop.call_soon_threadsafe(self._room.release)
            yield piece

    async def _in_pieces(self, source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """What ``source`` yields, put together to pieces that are worth a hop from thread to thread."""
        held = bytearray()
        taken = 0
        deadline = self._loop.time() + self._idle_seconds
        while (one := await self._next(source, deadline)) is not None:
            taken += len(one)
            if taken > self._largest:
                raise too_large(self._largest)
            held += one
            if len(held) >= _PIECE_BYTES:
                yield bytes(held)
                held.clear()
                deadline = self._loop.time() + self._idle_seconds  # the host may have taken its time, too
        if held:
            yield bytes(held)

    async def _next(self, source: AsyncIterator[bytes], deadline: float) -> bytes | None:
        try:
            async with asyncio.timeout_at(deadline):
                return await anext(source)
        except StopAsyncIteration:
            return None
        except TimeoutError:
            message = f"Less than {_PIECE_BYTES // 1024} KiB of the image came in {self._idle_seconds:g} s"
            raise BadRequest(message, code="upload_stalled") from None
        except ClientDisconnect:
            raise _cut_off() from None


def _cut_off() -> BadRequest:
    return BadRequest("The upload ended before all of the image was there", code="upload_cut_off")


def too_large(largest: int) -> TooLarge:
    """The answer to an image of more than ``largest`` bytes."""
    return TooLarge(f"An image has at most {largest // 1024**3} GiB here (setting largest_image_gb)")
