# SPDX-License-Identifier: GPL-3.0-or-later
"""What surrounds every request: its id, its line in the log, and the last catch for what nobody expected."""

from __future__ import annotations

import logging
import re
import uuid
from time import perf_counter
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

import structlog

from hostler.audit.origin import reset_origin, set_origin, stranger
from hostler.error_answers import REQUEST_ID, answer, internal_error
from hostler.errors import InvalidRequest

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger(__name__)

_SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_QUIET_PATHS = frozenset({"/healthz", "/readyz"})


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _SANE_ID.fullmatch(value):
            text: str = value.decode("ascii")
            return text
    return uuid.uuid4().hex


class RequestContext:
    """ASGI middleware: takes a sane ``X-Request-ID`` or makes one, binds it for the log, sends it, logs the request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request by the application, or by a plain error where it fails."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = perf_counter()
        request_id = _request_id(scope)
        scope[REQUEST_ID] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        # uvicorn has put there what trusted proxies say of it
        client = scope.get("client")
        origin = set_origin(stranger(client[0] if client else None, request_id))
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode("ascii"))]
            await send(message)

        try:
            if "\x00" in scope["path"] or b"%00" in scope["query_string"]:
                # neither SQLite nor PostgreSQL takes it in a text, and nothing of ours has it in a name
                refusal = answer(scope, 422, "The address holds a NUL character", code=InvalidRequest.code)
                await refusal(scope, receive, send_with_id)
            elif not _is_text(scope["query_string"]) or not _is_text(scope.get("raw_path") or b""):
                # it would be taken for another text, with a mark in the place of what can't be read
                refusal = answer(scope, 422, "The address is not UTF-8", code=InvalidRequest.code)
                await refusal(scope, receive, send_with_id)
            else:
                await self.app(scope, receive, send_with_id)
        except Exception:
            log.exception("unexpected error", method=scope["method"], path=scope["path"])
            if status:
                raise  # half an answer is out: only a broken connection tells the client
            await internal_error(scope)(scope, receive, send_with_id)
        finally:
            reset_origin(origin)
            # never the query: people put things into it that belong elsewhere
            log.log(
                logging.DEBUG if scope["path"] in _QUIET_PATHS else logging.INFO,
                "request",
                method=scope["method"],
                path=scope["path"],
                status=status,
                milliseconds=round((perf_counter() - started) * 1000, 1),
            )


def _is_text(address: bytes) -> bool:
    """Whether what is escaped in it is UTF-8."""
    if b"%" not in address:
        return address.isascii()
    try:
        unquote_to_bytes(address).decode()
    except UnicodeDecodeError:
        return False
    return True
