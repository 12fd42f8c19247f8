# SPDX-License-Identifier: GPL-3.0-or-later
"""Counting requests, by route and status."""

from __future__ import annotations

from functools import lru_cache
from time import perf_counter
from typing import TYPE_CHECKING

from hostler.metrics.measures import REQUEST_SECONDS, REQUESTS, REQUESTS_IN_PROGRESS

if TYPE_CHECKING:
    from prometheus_client import Counter, Histogram
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_NOWHERE = "none"


class RequestMeter:
    """ASGI middleware: counts each request and how long its answer took.

    A client chooses the path, and may send any word as the method, so neither becomes a label: the route's template
    does (``none`` where no route matched), and ``other`` for a method that HTTP does not have.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 0

        async def send_seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        started = perf_counter()
        with REQUESTS_IN_PROGRESS.track_inprogress():
            try:
                await self.app(scope, receive, send_seen)
            finally:
                method = scope["method"] if scope["method"] in _METHODS else "other"
                route = template(scope)
                count, seconds = _measures(method, route, status)
                count.inc()
                seconds.observe(perf_counter() - started)


@lru_cache(maxsize=4096)  # to look them up by their labels takes longer than all else here
def _measures(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    return (
        REQUESTS.labels(method=method, route=route, status=status),
        REQUEST_SECONDS.labels(method=method, route=route),
    )


def template(scope: Scope) -> str:
    """Return the template of the route that a request went to, such as ``/api/vms/{vm_id}``; ``none`` for no route."""
    path = getattr(scope.get("route"), "path_format", None)
    return path if isinstance(path, str) else _NOWHERE
