# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands, put together. A group of commands is a module of this package, added to `app` below."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from hostler.cli import (
    audit,
    credentials,
    databases,
    doctor,
    images,
    migrate,
    schedules,
    serve,
    servers,
    settings,
    tokens,
    users,
    webhooks,
    worker,
)

app = typer.Typer(
    name="hostler",
    help="VM lifecycle automation for libvirt hosts.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve.serve)
app.command("worker")(worker.worker)
app.command("migrate")(migrate.migrate)
app.command("settings")(settings.settings)
app.command("doctor")(doctor.doctor)
app.add_typer(users.app, name="user")
app.add_typer(tokens.app, name="token")
app.add_typer(servers.app, name="server")
app.add_typer(credentials.app, name="credential")
app.add_typer(images.app, name="image")
app.add_typer(webhooks.app, name="webhook")
app.add_typer(audit.app, name="audit")
app.add_typer(databases.app, name="db")
app.add_typer(schedules.app, name="schedule")


def _show_version(wanted: bool) -> None:
    if wanted:
        from hostler import __version__

        typer.echo(f"hostler {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """VM lifecycle automation for libvirt hosts."""


def main() -> None:
    """Run the command line: exit code 0, 1 with one sentence for what went wrong, 2 for a wrong command line."""
    try:
        app()
    except Exception as error:
        # imported late: it costs what the commands cost
        from hostler.cli.failure import sentence

        message = sentence(error)
        if message is None:
            raise
        typer.echo(f"hostler: {message}", err=True)
        sys.exit(1)
