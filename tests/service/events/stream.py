# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of server-sent events, in the service's own process: httpx over ASGI would wait for a stream's end."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI

PATIENCE_SECONDS = 10.0


@dataclass(frozen=True)
class Sent:
    """One block of a stream, as EventSource reads it; ``event`` is empty for one that makes no event."""

    id: str
    event: str
    data: Any
    comment: str = ""

    @classmethod
    def of(cls, block: str) -> Sent:
        """What a block's lines say."""
        fields = {"id": "", "event": "", "data": "", "": ""}
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        data = json.loads(fields["data"]) if fields["data"] else None
        return cls(fields["id"], fields["event"], data, fields[""])


class Stream:
    """A stream that is open: its answer's beginning, and its blocks as they come."""

    def __init__(self, app: FastAPI, path: str, query: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.reads = asyncio.Event()
        """Cleared, the client does not read; what is sent to it waits."""
        self.reads.set()
        self._leaves = asyncio.Event()
        self._began = asyncio.Event()
        self._parts: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._text = ""
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": urlencode(query, doseq=True).encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "client": ("192.0.2.1", 40000),
            "server": ("hostler.test", 80),
            "app": app,
        }
        self.answering = asyncio.create_task(self._answer(app, scope))

    async def began(self) -> None:
        """Wait for the answer's beginning."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._began.wait()

    async def block(self) -> Sent:
        """The next block; raises EOFError at the stream's end."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while "\n\n" not in self._text:
                part = await self._parts.get()
                if part is None:
                    self._parts.put_nowait(None)
                    raise EOFError
                self._text += part.decode()
        block, _, self._text = self._text.partition("\n\n")
        return Sent.of(block)

    async def event(self) -> Sent:
        """The next event, heartbeats and the like left out, and what a stream begins with."""
        while (sent := await self.block()).event in ("", "begin"):
            pass
        return sent

    async def rest(self) -> list[Sent]:
        """All blocks up to the end of the stream."""
        found = []
        with contextlib.suppress(EOFError):
            while True:
                found.append(await self.block())
        return found

    async def events_until(self, event: str) -> list[Sent]:
        """The events up to the first of that name."""
        found = [await self.event()]
        while found[-1].event != event:
            found.append(await self.event())
        return found

    async def leave(self) -> None:
        """Go away as a client does, and wait until the service has noticed."""
        self._leaves.set()
        self.reads.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.wait([self.answering])

    async def _answer(self, app: FastAPI, scope: dict[str, Any]) -> None:
        first = True

        async def receive() -> dict[str, Any]:
            nonlocal first
            if first:
                first = False
                return {"type": "http.request", "body": b"", "more_body": False}
            await self._leaves.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                self.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
                self._began.set()
                return
            await self.reads.wait()
            self._parts.put_nowait(message.get("body", b""))

        try:
            await app(scope, receive, send)
        finally:
            self._began.set()
            self._parts.put_nowait(None)


@contextlib.asynccontextmanager
async def opened(
    app: FastAPI, path: str = "/api/events", headers: Mapping[str, str] | None = None, **query: Any
) -> AsyncIterator[Stream]:
    """A stream that has begun, left at the block's end."""
    stream = Stream(app, path, query, headers or {})
    try:
        await stream.began()
        yield stream
    finally:
        await stream.leave()
