# SPDX-License-Identifier: GPL-3.0-or-later
"""The service as a process: uvicorn around the application, in one process."""

from __future__ import annotations

import contextlib
import socket
import sys

import typer
import uvicorn
from fastapi import FastAPI

from hostler import __version__
from hostler.app import create_app
from hostler.errors import OperatorError
from hostler.settings import Settings


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
        """Stop listening, finish the requests in progress, and close the application."""
        try:
            await super().shutdown(sockets)
        finally:
            await self._opened.aclose()


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; raises OperatorError and DatabaseUnavailable if the service can't start."""
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,  # request_context logs requests, with their ids and without their queries
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=settings.shutdown_seconds,
        lifespan="off",
    )
    with contextlib.closing(_listen(settings)) as listener:
        _Server(app, config).run(sockets=[listener])


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise OperatorError(
            f"The service can't listen on {settings.host} port {settings.port}: {error.strerror}"
        ) from None
    return listener
