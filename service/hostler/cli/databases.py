# SPDX-License-Identifier: GPL-3.0-or-later
"""``hostler db``: the database as a whole."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from hostler.cli.table import show_table

_WITHOUT = {
    "sealing-keys.json": "credentials and webhooks' secrets have to be given anew",
    "signing-keys.json": "everybody has to log in anew",
}

app = typer.Typer(help="Back the database up, restore it, move it to PostgreSQL.", no_args_is_help=True)


@app.command("backup")
def backup(
    file: Annotated[Path, typer.Argument(help="The file to write.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    with_keys: Annotated[
        bool,
        typer.Option(
            "--with-keys",
            help="Copy the sealing and signing keys, too, into files of their own beside it. Whoever has both can read "
            "the credentials in the database.",
        ),
    ] = False,
) -> None:
    """Back the SQLite database up, while the service runs, and check the backup.

    The keys are not in it: --with-keys, or keep copies of their files.
    """
    from hostler.database.backup import back_up, key_files
    from hostler.settings import Settings

    settings = Settings.load()
    done = back_up(settings, file.expanduser().absolute(), force=force, with_keys=with_keys)
    typer.echo(f"Wrote {done.file} ({done.bytes} bytes), and checked it")
    for path in done.keys:
        typer.echo(f"Wrote {path}; keep it apart from the database: together they give the sealed secrets away")
    if not with_keys:
        for name, path in key_files(settings).items():
            typer.echo(f"NOT in the backup: {path}; without it {_WITHOUT[name]}; keep a copy of it, too", err=True)
    for name in ("sealing_key", "signing_key"):
        if getattr(settings, name) is not None:
            typer.echo(f"NOT in the backup: the setting {name}; keep a copy of it, too", err=True)


@app.command("restore")
def restore(
    file: Annotated[Path, typer.Argument(help="A file that 'hostler db backup' wrote.")],
    with_keys: Annotated[
        bool, typer.Option("--with-keys", help="Restore the keys, too, that --with-keys put beside the backup.")
    ] = False,
) -> None:
    """Put a backup in the place of the SQLite database; no service may be running.

    What is there is kept beside it, under a name that says when it was replaced.
    """
    from hostler import logs
    from hostler.audit.origin import acting, of_command
    from hostler.database.restoring import restore as restore_database
    from hostler.settings import Settings

    settings = Settings.load()
    logs.configure(settings)
    with acting(of_command()):
        done = restore_database(settings, file.expanduser().absolute(), with_keys=with_keys)
    typer.echo(f"Restored {done.database} from {file}")
    for path in done.keys:
        typer.echo(f"Restored {path}")
    for path in done.kept:
        typer.echo(f"What was there is kept as {path}")
    if done.canceled:
        typer.echo(f"Jobs that waited when the backup was made, and are canceled: {done.canceled}")
    if done.pending:
        typer.echo(f"It is of an older version; 'hostler serve' or 'hostler migrate' applies {', '.join(done.pending)}")
    if done.locked:
        typer.echo(
            f"The sealing key at hand does not open the secrets of {', '.join(done.locked)}: bring back the keys of "
            "when the backup was made, or give these secrets anew",
            err=True,
        )


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
