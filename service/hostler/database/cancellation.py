# SPDX-License-Identifier: GPL-3.0-or-later
"""Cancelations that a library loses.

On Python 3.11 ``asyncio.wait_for`` swallows a cancelation that comes in the moment in which what it waits for is there
(https://github.com/python/cpython/issues/86296), and psycopg and its pool wait by that. A task that goes on after that
was canceled for nothing, and whoever waits for its end waits for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def heeded() -> Iterator[None]:
    """Have the task canceled at the end of the block, where it was in the block and has not been told."""
    task = asyncio.current_task()
    before = 0 if task is None else task.cancelling()
    yield
    if task is not None and task.cancelling() > before:
        raise asyncio.CancelledError
