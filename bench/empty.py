# SPDX-License-Identifier: GPL-3.0-or-later
"""The limit that reads are held against: FastAPI with one route that does nothing, served as the service is.

``python -m bench.empty`` listens on a free port of loopback and says which.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

import httpx
import typer
import uvicorn
from fastapi import FastAPI

from hostler.server import listen, uvicorn_config
from hostler.settings import Settings
from lab.cache import REPOSITORY

app = FastAPI(openapi_url=None)


@app.get("/")
async def nothing() -> dict[str, str]:
    """Answer."""
    return {}


@contextlib.contextmanager
def serving_nothing() -> Iterator[str]:
    """Serve it in a process of its own in the block; the URL."""
    process = subprocess.Popen([sys.executable, "-m", "bench.empty"], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None  # noqa: S101 - a pipe, as asked for
        url = process.stdout.readline().split()[-1]
        # the address is known a moment before somebody listens there
        with httpx.Client(transport=httpx.HTTPTransport(retries=8), trust_env=False) as client:
            client.get(url).raise_for_status()
        yield url
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    settings = Settings(host="127.0.0.1", port=0)
    with contextlib.closing(listen(settings)) as listener:
        typer.echo(f"listening on http://127.0.0.1:{listener.getsockname()[1]}")
        sys.stdout.flush()
        uvicorn.Server(uvicorn_config(app, settings)).run(sockets=[listener])
