# SPDX-License-Identifier: GPL-3.0-or-later
"""``hostler migrate``."""

from __future__ import annotations

import typer


def migrate() -> None:
    """Bring the database's schema up to this version, and make missing indexes.

    'hostler serve' does this itself for SQLite; for PostgreSQL it is yours to say when. No service may be running on a
    SQLite database meanwhile.
    """
    import asyncio

    from hostler import logs
    from hostler.audit.origin import acting, of_command
    from hostler.database import Database
    from hostler.settings import Settings

    async def work() -> list[str]:
        with acting(of_command()):
            async with Database(settings) as database:
                return await database.migrate()

    settings = Settings.load()
    logs.configure(settings)
    applied = asyncio.run(work())
    for name in applied:
        typer.echo(f"Applied {name}")
    typer.echo("The database is up to date")
