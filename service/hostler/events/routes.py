# SPDX-License-Identifier: GPL-3.0-or-later
"""``/api/events``: what changes, as it changes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Any

from fastapi import Header, Query, Response

from hostler.bodies import LARGEST_INTEGER
from hostler.events.feed import Feed, Listener, Wanted
from hostler.events.reading import kept_events
from hostler.events.record import Kind
from hostler.events.sse import RETRY, comment, frame, heartbeat, opening
from hostler.events.streams import HEARTBEAT_SECONDS, EventStream, StandingOf, StreamsOf
from hostler.permission import Caller, Requires
from hostler.routing import Router

router = Router(prefix="/api/events", tags=["events"])

Follower = Annotated[Caller, Requires("read", stream=True)]
TicketOf = Annotated[
    str | None,
    Query(description="A ticket of POST /api/auth/ticket, where the client can't send a header", max_length=256),
]
"""The parameter of a stream's route that describes it; the route's check has redeemed it by then."""

BEGIN = "begin"
"""The event that comes first where a stream begins now: who loads everything after it has missed nothing since."""
RESET = "reset"
"""The event that comes first where some that the client has missed are not kept any more: it has to load all anew."""

_RESET_DATA = '{"reason":"Some of what happened since is not kept any more: load everything anew"}'


def stream_responses(description: str) -> dict[int | str, dict[str, Any]]:
    """What a stream's route adds to its ``responses``."""
    content = {"text/event-stream": {"schema": {"type": "string"}}}
    return {200: {"description": description, "content": content}}


@router.get(
    "",
    summary="Follow what changes",
    response_class=Response,  # errors stay JSON
    responses=stream_responses("Events: `id`, `event` (the kind) and `data` (JSON), for as long as the client stays"),
)
async def follow_events(
    caller: Follower,
    streams: StreamsOf,
    standing: StandingOf,
    kind: Annotated[list[Kind] | None, Query(description="Only these kinds; may be given several times")] = None,
    vm_id: Annotated[int | None, Query(description="Only of this VM, its jobs included", ge=1, le=2**31 - 1)] = None,
    server_id: Annotated[
        int | None, Query(description="Only of this server, its VMs and jobs included", ge=1, le=2**31 - 1)
    ] = None,
    last_event_id: Annotated[
        int | None,
        Query(description="Go on after this event, where the client has no header for it", ge=0, le=LARGEST_INTEGER),
    ] = None,
    last_event_id_header: Annotated[
        int | None,
        Header(alias="Last-Event-ID", description="Go on after this event", ge=0, le=LARGEST_INTEGER),
    ] = None,
    ticket: TicketOf = None,
) -> EventStream:
    """Server-sent events: each says what a VM, a job or a server is now, as its own GET shows it.

    A stream begins now, and says so with `begin`, or after the event that the client names; `reset` comes first if some
    of what it has missed is not kept any more.
    """
    # a browser that comes again says it by the header, and still has the old one in the address
    after = last_event_id if last_event_id_header is None else last_event_id_header
    wanted = Wanted([one.value for one in kind or ()], vm_id, server_id)
    return EventStream(streams, standing, _follow(streams.feed, wanted, after))


async def _follow(feed: Feed, wanted: Wanted, after: int | None) -> AsyncGenerator[bytes]:
    async with feed.joined():
        if after is None:
            start = feed.position
            yield RETRY + frame(BEGIN, "{}", str(start))
        elif (await kept_events()).follows(after):
            start = after
            yield opening(str(start))
        else:
            start = feed.position
            yield RETRY + frame(RESET, _RESET_DATA, str(start))
        async for event in feed.history(start):
            if wanted.takes(event):
                yield event.frame
        # from here to the listener nothing is awaited, so that it misses nothing
        listener = Listener(wanted)
        with feed.listening(listener):
            while not listener.too_slow:
                events = await listener.take(HEARTBEAT_SECONDS)
                if events:
                    yield b"".join(event.frame for event in events)
                elif not listener.too_slow:
                    yield heartbeat(str(feed.position))
            yield comment("too slow: come again with the last id")
