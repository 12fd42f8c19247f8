# SPDX-License-Identifier: GPL-3.0-or-later
"""``hostler settings``."""

from __future__ import annotations

from typing import Annotated

import typer

from hostler.cli.table import show_table


def settings(
    example: Annotated[
        bool, typer.Option("--example", help="Write a file to begin with: all settings, explained.")
    ] = False,
    reference: Annotated[
        bool, typer.Option("--reference", help="Write the page of all settings, in Markdown.")
    ] = False,
) -> None:
    """Show the settings that are in effect and where each comes from, secrets left out."""
    import os

    from hostler import settings_reference
    from hostler.settings import Settings, misspelt

    if example and reference:
        raise typer.BadParameter("--example and --reference exclude each other")
    if example:
        typer.echo(settings_reference.example(), nl=False)
    elif reference:
        typer.echo(settings_reference.page(), nl=False)
    else:
        found = settings_reference.in_effect(Settings.load())
        show_table(("SETTING", "VALUE", "FROM"), [(one.name, one.value or "-", one.source) for one in found])
        for variable, meant in misspelt(os.environ):
            typer.echo(f"{variable} is not a setting; was {meant} meant?", err=True)
