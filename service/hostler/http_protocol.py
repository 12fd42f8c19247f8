# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP/1.1 as the service speaks it: uvicorn's parser in C, with the bounds that it leaves to others.

It takes heads of any size, so whoever can connect could fill the memory; HTTP/0.9, which nobody means; and transfer
codings that nobody would undo.
"""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_HEAD = 128 * 1024
"""Most bytes of a request's first line and headers. What comes in one piece with their end is not counted."""


class Refused(Exception):
    """The request breaks a rule of this module's; it is answered 400, and the connection closed."""


class HttpProtocol(HttpToolsProtocol):
    """One connection."""

    _head_is_open = True
    _head_size = 0
    _message_ended = False

    def data_received(self, data: bytes) -> None:
        """Take what has come; hang up on a head that does not end."""
        self._message_ended = False
        super().data_received(data)
        if self._message_ended:
            return  # most of it may have been the body's end, and of the next head it is what came in one piece
        if self._head_is_open and not self.transport.is_closing():
            self._head_size += len(data)
            if self._head_size > LARGEST_HEAD:
                self.send_400_response("The head of the request is too large.")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; refuse a coding that is not the one of HTTP/1.1."""
        if name.lower() == b"transfer-encoding" and value.strip().lower() != b"chunked":
            raise Refused
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Take the head as a whole."""
        self._head_is_open = False
        if self.parser.get_http_version() not in ("1.0", "1.1"):
            raise Refused
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Wait for the next request's head."""
        self._head_is_open, self._head_size, self._message_ended = True, 0, True
        super().on_message_complete()
