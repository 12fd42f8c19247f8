# SPDX-License-Identifier: GPL-3.0-or-later
"""The streams that are open, and what ends them: their source, their client, their credential, the service's end.

An idle stream costs a few kilobytes and a heartbeat now and then. Whether it may go on is asked for all of them
together, once for each credential.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Annotated

import structlog
from fastapi import Depends, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hostler.accounts.standing import STANDING, Standing
from hostler.database import DatabaseUnavailable
from hostler.errors import ServiceError, Unavailable
from hostler.events.feed import Feed
from hostler.permission import Permission, decide

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS = 15.0
"""Pause after which a stream without events says that it is there."""
CHECK_SECONDS = 5.0
"""Pause between two questions whether the streams' credentials are still good."""
SEND_SECONDS = 30.0
"""How long a client may take to read what was sent before it is given up."""

_GOODBYE_SECONDS = 1.0


class Streams:
    """All streams of this process, and the feed that most of them are of."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self._open: dict[asyncio.Task[None], Standing] = {}
        self._closing = False

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls) -> AsyncIterator[Streams]:
        """Make one that watches over streams in the block, and ends them with it."""
        async with Feed.running() as feed:
            streams = cls(feed)
            watch = asyncio.create_task(streams._watch(), name="stream watch")
            try:
                yield streams
            finally:
                streams.close()
                watch.cancel()
                await asyncio.gather(watch, return_exceptions=True)

    @property
    def is_closing(self) -> bool:
        """Whether no stream is opened any more."""
        return self._closing

    def close(self) -> None:
        """End every stream now, and each that is opened from now on; their clients come again to the next service."""
        self._closing = True
        for task in self._open:
            task.cancel()

    @contextlib.contextmanager
    def counted(self, task: asyncio.Task[None], standing: Standing) -> Iterator[None]:
        """Watch over a stream's task in the block."""
        self._open[task] = standing
        if self._closing:
            task.cancel()
        try:
            yield
        finally:
            del self._open[task]

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                await self._end_the_unwelcome()
            except DatabaseUnavailable as error:
                log.warning("streams.not_checked", reason=str(error))
            except Exception:
                log.exception("streams.not_checked")

    async def _end_the_unwelcome(self) -> None:
        tasks = defaultdict(list)
        for task, standing in self._open.items():
            tasks[standing].append(task)
        for standing, theirs in tasks.items():
            try:
                decide(await standing.caller(), Permission.READ)
            except ServiceError as error:
                log.info("stream.ended", reason=error.message, streams=len(theirs))
                for task in theirs:
                    task.cancel()


class EventStream(Response):
    """An answer that goes on: what ``source`` yields, for as long as the client reads it and its credential is good."""

    media_type = "text/event-stream"

    def __init__(self, streams: Streams, standing: Standing, source: AsyncGenerator[bytes]) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"})  # nginx would keep events until it has a page of them
        del self.headers["content-length"]
        self._streams = streams
        self._standing = standing
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's
        """Send until somebody or something ends it."""
        first = await anext(self._source)  # before the answer begins: what it raises becomes an answer of its own
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        sending = asyncio.create_task(self._send(first, send), name="stream")
        leaving = asyncio.create_task(_client_leaves(receive), name="stream client")
        try:
            with self._streams.counted(sending, self._standing):
                await asyncio.wait([sending, leaving], return_when=asyncio.FIRST_COMPLETED)
        finally:
            sending.cancel()
            leaving.cancel()
            outcome, _ = await asyncio.gather(sending, leaving, return_exceptions=True)
        if isinstance(outcome, Exception):
            raise outcome
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_SECONDS):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, chunk: bytes, send: Send) -> None:
        async with contextlib.aclosing(self._source) as source:
            try:
                while True:
                    async with asyncio.timeout(SEND_SECONDS):
                        await send({"type": "http.response.body", "body": chunk, "more_body": True})
                    chunk = await anext(source)
            except TimeoutError:
                log.info("stream.client_does_not_read")
            except DatabaseUnavailable as error:
                log.warning("stream.database_unavailable", reason=str(error))  # its client comes again, and is told so
            except StopAsyncIteration:
                return


async def _client_leaves(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _streams_of(request: Request) -> Streams:
    streams: Streams = request.app.state.streams
    if streams.is_closing:
        raise Unavailable("The service is stopping", code="stopping")
    return streams


async def _standing_of(request: Request) -> Standing:
    standing: Standing = request.scope[STANDING]
    return standing


StreamsOf = Annotated[Streams, Depends(_streams_of)]
"""A route's parameter for them; it is 503 once the service is stopping."""
StandingOf = Annotated[Standing, Depends(_standing_of)]
"""The parameter of a route of a stream: the credential that opened it."""
