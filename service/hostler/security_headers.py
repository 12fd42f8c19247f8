# SPDX-License-Identifier: GPL-3.0-or-later
"""Headers that keep browsers from doing with our answers what nobody meant; on every answer, also an error's.

An answer that says something else keeps it: the documentation page has a policy of its own, its files may be kept.
Nothing else may be: answers hold tokens, and what only their reader may see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cross-origin-resource-policy": b"same-origin",
    b"cache-control": b"no-store",
}


class SecurityHeaders:
    """ASGI middleware: adds each of `HEADERS` that an answer lacks."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, its answer's headers completed."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_complete(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent = list(message.get("headers", ()))
                present = {name.lower() for name, _ in sent}
                message["headers"] = [*sent, *((name, value) for name, value in HEADERS.items() if name not in present)]
            await send(message)

        await self.app(scope, receive, send_complete)
