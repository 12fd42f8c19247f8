# SPDX-License-Identifier: GPL-3.0-or-later
"""Who reads along with a job in this process, and is woken when something of it was written."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator

_readers: defaultdict[int, set[asyncio.Event]] = defaultdict(set)


def told(job_id: int) -> None:
    """Something of a job was written: its readers look at once."""
    for woken in _readers.get(job_id, ()):
        woken.set()


@contextlib.contextmanager
def reading(job_id: int) -> Iterator[asyncio.Event]:
    """Have the event set in the block whenever something of the job is written."""
    woken = asyncio.Event()
    _readers[job_id].add(woken)
    try:
        yield woken
    finally:
        _readers[job_id].discard(woken)
        if not _readers[job_id]:
            del _readers[job_id]
