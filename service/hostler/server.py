# SPDX-License-Identifier: GPL-3.0-or-later
"""The service as a process: uvicorn around the application, in one process."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys

import typer
import uvicorn
from fastapi import FastAPI

from hostler import __version__
from hostler.app import create_app
from hostler.errors import OperatorError
from hostler.events.streams import Streams
from hostler.garbage import look_less_often
from hostler.http_protocol import HttpProtocol
from hostler.settings import Settings

_DEAF_SECONDS = 1.0
# longer than proxies and pools keep an idle connection (a minute): who hangs up first cuts requests off that are on
# their way, and uvicorn would after 5 s, counted by a loop that may be behind
_IDLE_SECONDS = 75
_BACKLOG = 2048  # connections that wait to be taken; uvicorn's own


class _Server(uvicorn.Server):
    """uvicorn's server, which runs the application's lifespan itself, and says where it listens as soon as it does.

    Through uvicorn's own lifespan protocol an error at the start would arrive as a stack trace in the log; here it
    reaches whoever runs the server.
    """

    def __init__(self, app: FastAPI, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._app = app
        self._opened = contextlib.AsyncExitStack()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the application, listen, and show the URL on standard output."""
        await self._opened.enter_async_context(self._app.router.lifespan_context(self._app))
        await super().startup(sockets)
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        typer.echo(f"Hostler {__version__} is listening on http://{shown}:{port}")
        sys.stdout.flush()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, end the streams, finish the requests in progress, and close the application."""
        streams: Streams = self._app.state.streams
        streams.close()  # they would go on for as long as a shutdown may take
        hanging_up = asyncio.create_task(self._hang_up_on_the_deaf(), name="shutdown")
        try:
            await super().shutdown(sockets)
        finally:
            hanging_up.cancel()
            await self._opened.aclose()

    async def _hang_up_on_the_deaf(self) -> None:
        """Cut off clients that read nothing of what they were sent; a shutdown would wait for them all of its time."""
        waiting: dict[asyncio.Transport, int] = {}
        while True:
            await asyncio.sleep(_DEAF_SECONDS)
            # by each protocol's own attribute, which uvicorn's union of them does not name
            transports: list[asyncio.Transport] = [one.transport for one in list(self.server_state.connections)]
            for transport in transports:
                unsent = transport.get_write_buffer_size()
                if unsent and unsent == waiting.get(transport):
                    transport.abort()
            waiting = {transport: transport.get_write_buffer_size() for transport in transports}


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; raises OperatorError and DatabaseUnavailable if the service can't start."""
    look_less_often()
    app = create_app(settings)
    with contextlib.closing(listen(settings)) as listener:
        _Server(app, uvicorn_config(app, settings)).run(sockets=[listener])


def uvicorn_config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """How an application is served; the benchmarks serve an empty one in the same way."""
    return uvicorn.Config(
        app,
        http=HttpProtocol,
        log_config=None,
        access_log=False,  # request_context logs requests, with their ids and without their queries
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=settings.shutdown_seconds,
        lifespan="off",
        backlog=_BACKLOG,
        timeout_keep_alive=_IDLE_SECONDS,
    )


def listen(settings: Settings) -> socket.socket:
    """Return a socket that has the settings' address; raises OperatorError."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # asyncio knows a TCP socket by its protocol, and turns Nagle's algorithm off for no other: an answer's body would
    # wait 40 ms for the client's acknowledgement of its headers
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        # two may bind a port that nobody listens on yet: whoever can't have it shall hear so before anything is opened
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise OperatorError(
            f"The service can't listen on {settings.host} port {settings.port}: {error.strerror}"
        ) from None
    return listener
