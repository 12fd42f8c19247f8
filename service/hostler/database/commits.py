# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens around a commit: who writes last in a transaction, and who in this process wants to know of it.

What many transactions write one after another (the audit's chain) is written at the very end of each: a lock that is
taken for it is the last one, so that nobody who holds it waits for anything, and it is held for no longer than the
commit takes. What is to be written so is dropped with the transaction, or with the savepoint, that is rolled back.

A listener is told that a transaction was committed: what it wrote can be read from now on. Other processes' commits are
not told of. It is called in the event loop, and has to be quick.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from tortoise.backends.base.client import NestedTransactionContext
from tortoise.exceptions import TransactionManagementError

if TYPE_CHECKING:
    from tortoise.backends.base.client import TransactionalDBClient

WriteLast = Callable[[Sequence[Any]], Awaitable[Callable[[], None]]]
"""Writes items in the transaction that is about to be committed, and returns what is to be done after that."""

_listeners: list[Callable[[], None]] = []
_ending: ContextVar[Ending | None] = ContextVar("hostler_ending", default=None)


@contextlib.contextmanager
def told_of_commits(listener: Callable[[], None]) -> Iterator[None]:
    """Have ``listener`` called after each commit in the block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def written_last(write: WriteLast, item: object) -> None:
    """Have ``write`` called with ``item``, and all others that it is to write, when the transaction is committed.

    Raises TransactionManagementError outside of one.
    """
    ending = _ending.get()
    if ending is None or ending.is_over:
        raise TransactionManagementError("What is written last in a transaction is said inside of it")
    ending.items.append((write, item))


class Ending:
    """The end of one outermost transaction; the databases' backends make one for each, in the task that it is of."""

    def __init__(self) -> None:
        self.items: list[tuple[WriteLast, Any]] = []
        self.is_over = False
        """So that a task which the transaction has started, and which outlives it, is told so."""
        self._after: list[Callable[[], None]] = []
        self._token = _ending.set(self)

    async def write(self) -> None:
        """Write what is written last; what that raises is a reason to roll back."""
        for write in dict.fromkeys(write for write, _ in self.items):
            self._after.append(await write([item for other, item in self.items if other is write]))

    def over(self, committed: bool) -> None:
        """The transaction has ended: tell whoever wants to know, if it was committed."""
        self.is_over = True
        _ending.reset(self._token)
        if committed:
            for listener in (*self._after, *_listeners):
                listener()


class Savepoint(NestedTransactionContext):
    """``async with``: a transaction within a transaction; where it is rolled back nothing is written last for it."""

    def __init__(self, client: TransactionalDBClient) -> None:
        super().__init__(client)
        ending = _ending.get()
        self._items = [] if ending is None else ending.items
        self._before = len(self._items)

    async def __aexit__(self, exc_type: object, exc_val: object, exc_tb: object) -> None:
        """Release it, or roll back to where it began."""
        if exc_type is not None:
            del self._items[self._before :]
        await super().__aexit__(exc_type, exc_val, exc_tb)
