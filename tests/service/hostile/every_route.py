# SPDX-License-Identifier: GPL-3.0-or-later
"""Every route that the service has, found in the service itself, so that a new one is tried without being named."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from hostler.routing import Route, stated_access

NOBODYS_ID = "2147483647"
"""An id that no row has: a path filled with it changes nothing."""


@dataclass(frozen=True)
class Operation:
    """A method of a path. ``permission`` is as the route states it: public, any, read, write or admin."""

    method: str
    path: str
    permission: str

    @property
    def takes_json(self) -> bool:
        """Whether it may have a body at all, as far as its method says."""
        return self.method in ("POST", "PUT", "PATCH")

    def filled(self, value: str = NOBODYS_ID) -> str:
        """The path with ``value`` in the place of every parameter."""
        return re.sub(r"\{[^}]+\}", quote(value, safe=""), self.path)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def operations(app: FastAPI) -> list[Operation]:
    """Every operation of ``app``, those that no document shows included; fails for a route that is not ours."""
    found = []
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        assert isinstance(route, Route), f"{context.path} is not made by hostler.routing.Router"
        found += [Operation(method, context.path or "", _permission(route)) for method in context.methods or ()]
    return sorted(found, key=str)


def _permission(route: APIRoute) -> str:
    access = stated_access(route.dependant)
    if access is None:
        return "public"
    return "any" if access.permission is None else access.permission.value


@dataclass(frozen=True)
class Answer:
    """What came back: the status, the headers by small names, and the body as far as it was waited for."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        """The body, which has to be JSON."""
        return json.loads(self.content)


async def ask(
    app: FastAPI,
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    content: bytes = b"",
    client: tuple[str, int] = ("192.0.2.1", 40000),
) -> Answer:
    """Send one request to the application itself, as a client that goes away as soon as an answer has begun.

    Of a stream that is all there is to see; httpx would wait for its end.
    """
    bare_path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": bare_path,
        "raw_path": bare_path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()],
        "client": client,
        "server": ("hostler.test", 80),
        "app": app,
    }
    to_come: Iterator[dict[str, Any]] = iter([{"type": "http.request", "body": content, "more_body": False}])
    begun = asyncio.Event()
    start: dict[str, Any] = {}
    parts: list[bytes] = []

    async def receive() -> dict[str, Any]:
        for message in to_come:
            return message
        await begun.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        else:
            parts.append(message.get("body", b""))
            begun.set()

    await app(scope, receive, send)
    answered = {name.decode().lower(): value.decode("latin-1") for name, value in start["headers"]}
    return Answer(start["status"], answered, b"".join(parts))
