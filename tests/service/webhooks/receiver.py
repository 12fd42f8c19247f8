# SPDX-License-Identifier: GPL-3.0-or-later
"""A receiver of webhooks: a real HTTP server on loopback, which can be down, slow, rude, and anything else."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook as Verifier

PATIENCE_SECONDS = 20.0


@dataclass(frozen=True)
class Received:
    """A request, as it came."""

    path: str
    headers: dict[str, str]
    content: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.content)
        return found

    @property
    def event_id(self) -> int:
        return int(self.body["id"])

    def is_signed_with(self, secret: str) -> bool:
        """Whether the specification's own library takes it."""
        try:
            Verifier(secret).verify(self.content, self.headers)
        except Exception:  # noqa: BLE001 - whatever it raises, it does not take it
            return False
        return True


Reply = Callable[[Received], bytes | None]
"""What to answer, from the status line on; None hangs until the receiver is stopped."""


def status(code: int, *headers: str, body: bytes = b"") -> bytes:
    """An answer."""
    lines = [f"HTTP/1.1 {code} Whatever", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def always(code: int) -> Reply:
    return lambda _received: status(code)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that hangs up."""


class Receiver:
    """Listens on a port of its own from `start` to `stop`, and on the same one if it is started again."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.reply: Reply = always(204)
        self.port = 0
        self._came = threading.Condition()
        self._released = threading.Event()
        self._server: ThreadingHTTPServer | None = None
        self._tls: ssl.SSLContext | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def event_ids(self) -> list[int]:
        return [one.event_id for one in self.received]

    def start(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver._take(self)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its own signature
                pass

        self._released.clear()
        self._server = _Server(("127.0.0.1", self.port), Handler)
        if self._tls is not None:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Be down: connections are refused."""
        self._released.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def serve_tls(self, context: ssl.SSLContext) -> None:
        """Speak TLS from now on."""
        self.stop()
        self._tls = context
        self.start()

    def _take(self, handler: BaseHTTPRequestHandler) -> None:
        content = handler.rfile.read(int(handler.headers["Content-Length"]))
        received = Received(handler.path, {name.lower(): value for name, value in handler.headers.items()}, content)
        with self._came:
            self.received.append(received)
            self._came.notify_all()
        answer = self.reply(received)
        if answer is None:
            self._released.wait(PATIENCE_SECONDS)
        else:
            try:
                handler.wfile.write(answer)
            except OSError:
                pass  # the sender has read enough
        handler.close_connection = True

    def wait_for(self, number: int) -> list[Received]:
        """Wait until that many requests have come, in all. It blocks: in a coroutine, in a thread."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        with self._came:
            while len(self.received) < number:
                assert self._came.wait(deadline - time.monotonic()), f"{len(self.received)} of {number} came"
            return list(self.received)
