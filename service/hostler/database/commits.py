# SPDX-License-Identifier: GPL-3.0-or-later
"""Who wants to know, in this process, that a transaction was committed: what it wrote can be read from now on.

Other processes' commits are not told of. A listener is called in the event loop, and has to be quick.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

_listeners: list[Callable[[], None]] = []


@contextlib.contextmanager
def told_of_commits(listener: Callable[[], None]) -> Iterator[None]:
    """Have ``listener`` called after each commit in the block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def committed() -> None:
    """A transaction was committed; the databases' backends say so."""
    for listener in tuple(_listeners):
        listener()
