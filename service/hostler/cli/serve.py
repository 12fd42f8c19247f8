# SPDX-License-Identifier: GPL-3.0-or-later
"""``hostler serve``."""

from __future__ import annotations

from typing import Annotated

import typer


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on, instead of the setting's.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="TCP port, instead of the setting's; 0 takes a free one.")
    ] = None,
) -> None:
    """Run the service until it is told to stop (SIGTERM, Ctrl+C); requests in progress are finished first."""
    import gc
    import os

    gc.disable()  # all that is imported stays, and looking for garbage in it takes a sixth of the start

    import structlog

    from hostler import logs
    from hostler.server import run
    from hostler.settings import Settings, misspelt

    gc.freeze()  # nor is it looked through ever again
    gc.enable()
    settings = Settings.load()
    changes = {"host": host, "port": port}
    settings = settings.model_copy(update={name: value for name, value in changes.items() if value is not None})
    logs.configure(settings)
    for variable, meant in misspelt(os.environ):
        structlog.get_logger(__name__).warning("setting.misspelt", variable=variable, meant=meant)
    run(settings)
