# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing the migration that the models' changes ask for: ``python -m hostler.database.makemigrations add_vm_notes``.

It is for who works on Hostler: look at what it wrote, give it a docstring of its own, format it, and commit it.
Indexes don't show up in it; they stand in `hostler.database.indexes`, and ``hostler migrate`` makes them.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import typer
from tortoise.context import TortoiseContext
from tortoise.migrations.autodetector import MigrationAutodetector
from tortoise.migrations.writer import MigrationWriter, format_migration_name

from hostler.database import config

# REUSE-IgnoreStart
_HEADER = '# SPDX-License-Identifier: GPL-3.0-or-later\n"""{title}."""\n\n'
# REUSE-IgnoreEnd


async def missing_migrations() -> list[MigrationWriter]:
    """Return what the models have and the migrations don't, as Tortoise would write it; no database is needed."""
    # any URL will do: it is never connected to
    tortoise = config.parse("sqlite:///unused").tortoise()
    context = TortoiseContext()
    with context:
        await context.init(config=tortoise)
        assert context.apps is not None  # noqa: S101 - init has just made them
        return await MigrationAutodetector(context.apps, tortoise["apps"]).changes()


def write(writer: MigrationWriter, name: str) -> Path:
    """Write one migration under ``name``, with its number, and return its path."""
    writer.name = format_migration_name(int(writer.name.split("_", 1)[0]), name)
    path = writer.path()
    path.write_text(_HEADER.format(title=name.replace("_", " ").capitalize()) + writer.as_string(), "utf-8")
    return path


if __name__ == "__main__":
    if len(sys.argv) != 2:
        typer.echo("usage: python -m hostler.database.makemigrations NAME", err=True)
        sys.exit(2)
    found = asyncio.run(missing_migrations())
    for migration in found:
        typer.echo(f"Wrote {write(migration, sys.argv[1])}")
    if not found:
        typer.echo("The migrations have all that the models have")
