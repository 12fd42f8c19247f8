# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be wrong with a controller, or with the way to it, for as many requests as a test says."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send


@dataclass
class Fault:
    """One fault. What a request asks for is done all the same with ``heard``: only its answer is lost."""

    what: Literal["status", "silence", "drop", "nonsense"]
    path: str = ""
    """A regular expression that is found in the paths meant."""
    method: str = ""
    status: int = 500
    seconds: float = 60.0
    """Of a silence."""
    times: int = 1_000_000
    heard: bool = False
    body: str = ""
    """Of nonsense, where it is to be JSON."""

    def takes(self, request: Request) -> bool:
        """Whether this request is one of those meant; it counts as one, then."""
        if self.times < 1 or self.method not in ("", request.method) or not re.search(self.path, request.url.path):
            return False
        self.times -= 1
        return True

    async def answer(self) -> Response:
        """What is answered instead."""
        if self.what == "silence":
            await asyncio.sleep(self.seconds)
        if self.what == "nonsense" and self.body:
            return Response(self.body, media_type="application/json")
        if self.what == "nonsense":
            return Response("<html>Welcome</html>", media_type="text/html")
        return JSONResponse({"detail": "A fault."}, self.status) if self.what == "status" else _Dropped()


class _Dropped(Response):
    """An answer whose connection breaks in its middle."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})
