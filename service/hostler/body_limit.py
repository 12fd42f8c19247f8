# SPDX-License-Identifier: GPL-3.0-or-later
"""The largest body that a request may have; beyond it the answer is 413, and the rest is not read.

Starlette's own limit answers in plain text. Here the refusal is raised where the body is read, so after the caller
was found to be allowed to send one, and becomes an answer like every other.
"""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LONGEST_NUMBER = 18  # digits of a length that can be


class BodyLimit:
    """ASGI middleware: raises HTTPException(413) to whoever reads a body of more than ``largest`` bytes.

    ``but_for`` are the methods and paths of routes that take their body as a stream, and limit it themselves.
    """

    def __init__(self, app: ASGIApp, largest: int, but_for: Collection[tuple[str, str]] = ()) -> None:
        self.app = app
        self.largest = largest
        self.but_for = frozenset(but_for)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, its body counted."""
        if scope["type"] != "http" or (scope["method"], scope["path"]) in self.but_for:
            await self.app(scope, receive, send)
            return
        left = self.largest
        announced = dict(scope["headers"]).get(b"content-length", b"")
        is_too_much = announced.isdigit() and (len(announced) > _LONGEST_NUMBER or int(announced) > self.largest)

        async def counted() -> Message:
            nonlocal left
            if is_too_much:  # which need not come for that to be known
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            message = await receive()
            if message["type"] == "http.request":
                left -= len(message.get("body", b""))
                if left < 0:
                    raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return message

        await self.app(scope, counted, send)
