# SPDX-License-Identifier: GPL-3.0-or-later
"""Who carries queued jobs out in this process, and is woken when it may be another one's turn."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator

_waiting: set[asyncio.Event] = set()
_tellers: list[Callable[[], None]] = []


def moved() -> None:
    """A job was queued, or has ended. To be called when that is committed."""
    moved_elsewhere()
    for tell in tuple(_tellers):
        tell()


def moved_elsewhere() -> None:
    """Another process has said so."""
    for woken in _waiting:
        woken.set()


@contextlib.contextmanager
def telling(tell: Callable[[], None]) -> Iterator[None]:
    """Have ``tell`` called in the block whenever it may be another job's turn, for other processes."""
    _tellers.append(tell)
    try:
        yield
    finally:
        _tellers.remove(tell)


@contextlib.contextmanager
def told_of_turns() -> Iterator[asyncio.Event]:
    """Have the event set in the block whenever it may be another job's turn."""
    woken = asyncio.Event()
    woken.set()  # for what was queued before
    _waiting.add(woken)
    try:
        yield woken
    finally:
        _waiting.discard(woken)
