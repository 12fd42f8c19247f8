# SPDX-License-Identifier: GPL-3.0-or-later
"""Being there, among the services that work on one PostgreSQL: a service says that it is alive, and hears the others.

It says so by one short statement every few seconds, by the database's clock. Whoever has not for longer than a lease
lasts is dead to the others: killed, stopped, cut off from the database. What is said is a hint, which makes for speed:
whoever was away and missed something finds it out by looking, so it looks when it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import json
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import structlog

from hostler.database import DatabaseUnavailable, rows
from hostler.database.line import Line, say
from hostler.jobs.ledger import PROCESS
from hostler.services.alive import told_by

log = structlog.get_logger(__name__)

LEASE_SECONDS = 9
"""How long a service is alive after it last said so."""
BEAT_SECONDS = 2.0
"""Pause after which it says so again."""

_CHANNEL = "hostler"
_BACK_SECONDS = 4.0
_PAUSE_SECONDS = 1.0
_UNSAID = 1000  # what is to be said while the database is away; the rest is found out by looking
_SAID_AT_ONCE = 20  # PostgreSQL takes 7999 bytes, and no word has more than a hundred

_BEAT = """
WITH before AS (SELECT expires_at FROM service_process WHERE name = %s)
INSERT INTO service_process AS mine (name, hostname, pid, started_at, expires_at, watches)
VALUES (%s, %s, %s, clock_timestamp(), clock_timestamp() + %s * interval '1 second', %s)
ON CONFLICT (name) DO UPDATE SET expires_at = EXCLUDED.expires_at, watches = EXCLUDED.watches
RETURNING (SELECT expires_at < clock_timestamp() FROM before) AS was_dead
"""
_LEAVE = "DELETE FROM service_process WHERE name = ?"
_FORGET = "DELETE FROM service_process WHERE expires_at < clock_timestamp() - interval '1 day'"

Word = Sequence[Any]
"""What services tell each other: a list that begins with what it is about."""


class Presence:
    """One a process."""

    def __init__(self, url: str, watches: bool = True) -> None:
        self._line = Line(url, _CHANNEL)
        self._watches = watches
        self._back_at = float("-inf")
        self._hearers: list[Callable[[Word], None]] = []
        self._returns: list[Callable[[], None]] = []
        self._unsaid: dict[str, None] = {}
        self._speaking = asyncio.Event()

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, url: str, watches: bool = True) -> AsyncIterator[Presence]:
        """Be there in the block, as one who takes a share of the hosts or not; raises DatabaseUnavailable."""
        presence = cls(url, watches)
        await presence._begin()
        await rows(_FORGET)
        tasks = [
            asyncio.create_task(coroutine, name=name, context=contextvars.Context())
            for coroutine, name in ((presence._keep_beating(), "presence"), (presence._keep_speaking(), "word"))
        ]
        try:
            with told_by(lambda: presence.is_back):
                yield presence
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await presence._leave()

    @property
    def is_back(self) -> bool:
        """Whether it has been there long enough to tell who is dead.

        Where the database was away all were, and the first that is back would take everything from the rest.
        """
        return time.monotonic() - self._back_at > _BACK_SECONDS

    def listen(self, hearer: Callable[[Word], None], back: Callable[[], None]) -> None:
        """Have ``hearer`` called with what others say, and ``back`` when something they said may have been missed."""
        self._hearers.append(hearer)
        self._returns.append(back)

    def tell(self, *word: object) -> None:
        """Say something to the other services, in a moment; it is lost if the database is away for long."""
        if len(self._unsaid) < _UNSAID:
            self._unsaid[json.dumps(word)] = None  # once, however often it is told
            self._speaking.set()

    async def watch_no_more(self) -> None:
        """Take no hosts any more; its jobs are still at work. Raises DatabaseUnavailable."""
        self._watches = False
        await rows("UPDATE service_process SET watches = ? WHERE name = ?", False, PROCESS)

    async def _begin(self) -> None:
        await self._line.open()
        await self._beat()

    async def _leave(self) -> None:
        try:
            await rows(_LEAVE, PROCESS)
            self.tell("roll")
            await self._speak()
        except DatabaseUnavailable as error:
            log.warning("service.not_taken_leave", reason=str(error))  # the others find out
        with contextlib.suppress(Exception):  # what is lost can't be closed well
            await self._line.close()

    async def _beat(self) -> None:
        values = (PROCESS, PROCESS, socket.gethostname(), os.getpid(), LEASE_SECONDS, self._watches)
        (row,) = await self._line.run(_BEAT, *values)
        if row["was_dead"]:
            log.warning("service.was_away")
            self._back_at = time.monotonic()
            self._return()

    def _return(self) -> None:
        for back in self._returns:
            back()

    async def _keep_beating(self) -> None:
        due = time.monotonic() + BEAT_SECONDS
        while True:
            try:
                if not self._line.is_open:
                    await self._begin()
                    self._return()
                elif due <= time.monotonic():
                    await self._beat()
                if due <= time.monotonic():
                    due = time.monotonic() + BEAT_SECONDS
                for message in await self._line.hear(due - time.monotonic()):
                    self._hear(message)
            except DatabaseUnavailable as error:
                log.warning("service.database_unavailable", reason=str(error))
                await self._hang_up()
            except Exception:
                log.exception("service.presence_failed")
                await self._hang_up()

    async def _hang_up(self) -> None:
        with contextlib.suppress(Exception):  # what is lost can't be closed well
            await self._line.close()
        await asyncio.sleep(_PAUSE_SECONDS)

    def _hear(self, message: str) -> None:
        try:
            speaker, *words = json.loads(message)
        except (ValueError, TypeError):
            log.warning("service.word_unreadable")
            return
        if speaker == PROCESS:
            return
        for word in words:
            for hearer in self._hearers:
                hearer(word)

    async def _keep_speaking(self) -> None:
        while True:
            await self._speaking.wait()
            self._speaking.clear()
            try:
                await self._speak()
            except DatabaseUnavailable:
                self._speaking.set()
                await asyncio.sleep(_PAUSE_SECONDS)
            except Exception:
                log.exception("service.word_unsaid")
                self._unsaid.clear()

    async def _speak(self) -> None:
        while self._unsaid:
            words = list(self._unsaid)[:_SAID_AT_ONCE]
            await say(_CHANNEL, f"[{json.dumps(PROCESS)}, {', '.join(words)}]")
            for word in words:
                del self._unsaid[word]
