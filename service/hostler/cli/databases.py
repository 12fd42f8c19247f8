# SPDX-License-Identifier: GPL-3.0-or-later
"""``hostler db``: the database as a whole."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from hostler.cli.table import show_table

app = typer.Typer(help="Back the database up, restore it, move it to PostgreSQL.", no_args_is_help=True)


@app.command("copy")
def copy(
    to: Annotated[
        str,
        typer.Option(
            help="An empty PostgreSQL database that 'hostler migrate' has prepared: postgres://user@host:port/name. "
            "Leave the password to PGPASSWORD or ~/.pgpass: others see a command's arguments.",
        ),
    ],
) -> None:
    """Copy the SQLite database to PostgreSQL: all of it, ids and all, or nothing.

    No service may be running on it. What has arrived is compared with what was sent before it is kept.
    """
    from hostler import logs
    from hostler.database.copying import copy as copy_database
    from hostler.settings import Settings

    settings = Settings.load()
    logs.configure(settings)
    copied = copy_database(settings, to, _show_progress)
    show_table(("TABLE", "ROWS", "SHA-256"), [(one.name, one.rows, one.digest) for one in copied])
    typer.echo(
        f"Copied {sum(one.rows for one in copied)} rows of {len(copied)} tables, and read them again: they are the same"
    )
    if settings.sealing_key is None:
        typer.echo(
            f"The new service needs the same sealing keys ({settings.sealing_keys_file}): without them nothing that is "
            "sealed can be opened, credentials and webhooks' secrets",
            err=True,
        )


def _show_progress(table: str, done: int, total: int) -> None:
    if sys.stderr.isatty():
        end = "\n" if done >= total else ""
        typer.echo(f"\r{table}: {done} of {total} rows{end}", err=True, nl=False)
    elif done >= total:
        typer.echo(f"{table}: {total} rows", err=True)
