# SPDX-License-Identifier: GPL-3.0-or-later
"""Server-sent events as bytes (WHATWG HTML, 9.2): what a browser's EventSource and ``curl -N`` read."""

from __future__ import annotations

RETRY = b"retry: 2000\n"
"""How long a client waits before it comes again, in milliseconds; part of a stream's first block."""


# only to Unicode they end a line; readers that split lines by its rules would cut the data there
_LINE_ENDS = {ord(end): f"\\u{ord(end):04x}" for end in "\x85\u2028\u2029"}


def frame(event: str, data: str, event_id: str) -> bytes:
    """An event; ``data`` is JSON in one line. A client that comes again says the id of the last one that it got."""
    return f"id: {event_id}\nevent: {event}\ndata: {data.translate(_LINE_ENDS)}\n\n".encode()


def opening(event_id: str) -> bytes:
    """What a stream begins with that goes on: when to come again, and the id to come with should there be no event."""
    return RETRY + _bare(event_id).encode()


def heartbeat(event_id: str) -> bytes:
    """What is sent where there is nothing to send, so that nobody on the way takes the connection for dead.

    The id moves the client on past events that it did not want.
    """
    return f": heartbeat\n{_bare(event_id)}".encode()


def comment(text: str) -> bytes:
    """A line for whoever reads the stream with their own eyes."""
    return f": {text}\n\n".encode()


def _bare(event_id: str) -> str:
    # an id without data makes no event, and yet is what the client says when it comes again
    return f"id: {event_id}\n\n"
