# SPDX-License-Identifier: GPL-3.0-or-later
"""A web server on loopback that gives what a test says, and remembers what it was asked."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote


@dataclass
class Web:
    """``files`` by path; ``headers`` beside each; ``asked`` are method, path and Authorization of each request."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=lambda: {"ETag": '"one"'})
    redirects: dict[str, str] = field(default_factory=dict)
    cut_off_at: int | None = None
    silent: threading.Event | None = None
    drip: float | None = None  # how many seconds each byte of a body takes
    reason: str | None = None  # what it says beside 404
    answers_head: bool = True
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)

    def fetched(self, path: str) -> int:
        """How many times it was fetched."""
        return len([1 for method, asked, _login in self.asked if (method, asked) == ("GET", path)])


@contextmanager
def served() -> Iterator[Web]:
    """A server while the block runs."""
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            if web.answers_head:
                self._answer(body=False)
            else:
                self.send_error(405)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, body: bool) -> None:
            path = unquote(self.path.partition("?")[0])
            web.asked.append((self.command, path, self.headers.get("Authorization")))
            if path in web.redirects:
                self.send_response(302)
                self.send_header("Location", web.redirects[path])
                self.end_headers()
                return
            if path not in web.files:
                self.send_error(404, web.reason)
                return
            content = web.files[path]
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            for name, value in web.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if not body:
                return
            if web.drip is not None:
                self._drip(content, web.drip)
                return
            self.wfile.write(content[: web.cut_off_at])
            if web.silent is not None:
                self.wfile.flush()
                web.silent.wait(30)

        def _drip(self, content: bytes, seconds: float) -> None:
            try:
                for one in content:
                    self.wfile.write(bytes([one]))
                    time.sleep(seconds)
            except OSError:
                pass  # nobody reads any more

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield web
    finally:
        if web.silent is not None:
            web.silent.set()
        server.shutdown()
        server.server_close()
        thread.join()
