# SPDX-License-Identifier: GPL-3.0-or-later
"""What changes, handed out to all who listen: one reader of the database, however many they are, and none for nobody.

The reader is woken by every commit of this process, and looks twice a second for what others have written: another
service on the same database, a command.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from hostler.database import DatabaseUnavailable
from hostler.database.commits import told_of_commits
from hostler.events.reading import HELD_UP_SECONDS, EventReader, EventRow, events_between

log = structlog.get_logger(__name__)

POLL_SECONDS = 0.5
LONGEST_QUEUE = 1000
"""Events that wait for one listener; one that is further behind is too slow, and let go."""

_PAGE = 500
_DATABASE_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events a listener wants; what says nothing wants all."""

    kinds: Collection[str] = ()
    vm_id: int | None = None
    server_id: int | None = None

    def takes(self, event: EventRow) -> bool:
        """Whether the event is wanted."""
        return (
            (not self.kinds or event.kind in self.kinds)
            and (self.vm_id is None or event.vm_id == self.vm_id)
            and (self.server_id is None or event.server_id == self.server_id)
        )


class Hearer(Protocol):
    """Whoever is told of every event; quickly, for all others wait meanwhile."""

    def offer(self, event: EventRow) -> None:
        """Take an event in, or leave it."""


class Listener:
    """Gets the events that it wants, from the moment on at which it was made."""

    def __init__(self, wanted: Wanted) -> None:
        self.too_slow = False
        self._wanted = wanted
        self._waiting: deque[EventRow] = deque()
        self._woken = asyncio.Event()

    def offer(self, event: EventRow) -> None:
        """Take an event in, if it is wanted; too many, and the listener gets no more."""
        if self.too_slow or not self._wanted.takes(event):
            return
        if len(self._waiting) >= LONGEST_QUEUE:
            self.too_slow = True
            self._waiting.clear()
        else:
            self._waiting.append(event)
        self._woken.set()

    async def take(self, seconds: float) -> Sequence[EventRow]:
        """Wait for events, at most ``seconds``; none when these are over, or the listener is too slow."""
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return ()
        self._woken.clear()
        taken = tuple(self._waiting)
        self._waiting.clear()
        return taken


class Feed:
    """The events of this service's database, as they come."""

    def __init__(self) -> None:
        self._reader: EventReader | None = None
        self._guests = 0
        self._listeners: set[Hearer] = set()
        self._starting = asyncio.Lock()
        self._woken = asyncio.Event()

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls) -> AsyncIterator[Feed]:
        """Make one that hands out in the block."""
        feed = cls()
        with told_of_commits(feed._woken.set):
            task = asyncio.create_task(feed._run(), name="event feed")
            try:
                yield feed
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    @property
    def position(self) -> int:
        """The id of the last event that was handed out; only inside `joined`."""
        assert self._reader is not None  # noqa: S101 - see above
        return self._reader.position

    @contextlib.asynccontextmanager
    async def joined(self) -> AsyncIterator[None]:
        """Have the database read in the block. Raises DatabaseUnavailable."""
        self._guests += 1
        try:
            async with self._starting:
                if self._reader is None:
                    self._reader = await EventReader.at_the_end()
                    self._woken.set()
            yield
        finally:
            self._guests -= 1
            if not self._guests:
                self._reader = None  # the next one begins at the end as it is then

    async def history(self, after: int) -> AsyncIterator[EventRow]:
        """What came after an event, up to where the feed stands when the last of it is answered; only in `joined`."""
        while after < self.position:
            until = self.position
            page = await events_between(after, until, _PAGE)
            for event in page:
                yield event
            after = page[-1].id if len(page) == _PAGE else until

    @contextlib.contextmanager
    def listening(self, listener: Hearer) -> Iterator[None]:
        """Offer the listener all events after `position` as it is now, in the block."""
        self._listeners.add(listener)
        try:
            yield
        finally:
            self._listeners.discard(listener)

    async def _run(self) -> None:
        while True:
            reader = self._reader
            if reader is None:
                await self._woken.wait()
                self._woken.clear()
                continue
            try:
                events = await reader.read(_PAGE)
            except DatabaseUnavailable as error:
                log.warning("events.database_unavailable", reason=str(error))
                await asyncio.sleep(_DATABASE_PAUSE_SECONDS)
                continue
            except Exception:
                log.exception("events.unreadable")
                await asyncio.sleep(_DATABASE_PAUSE_SECONDS)
                continue
            if reader is not self._reader:
                continue  # all have left meanwhile, and somebody has come who began later
            for event in events:
                for listener in self._listeners:
                    listener.offer(event)
            if len(events) < _PAGE:
                await self._sleep(HELD_UP_SECONDS if reader.is_held_up else POLL_SECONDS)

    async def _sleep(self, seconds: float) -> None:
        try:
            # not wait_for: on Python 3.11 that swallows a cancellation that comes together with an event
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return
        self._woken.clear()
