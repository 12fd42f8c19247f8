# SPDX-License-Identifier: GPL-3.0-or-later
"""A table on standard output: columns under their names, two spaces apart."""

from __future__ import annotations

from collections.abc import Sequence

import typer


def show_table(names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Show ``rows`` under their columns' ``names``."""
    lines = [tuple(names), *(tuple(printable(str(cell)) for cell in row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(names))]
    for line in lines:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def printable(text: str) -> str:
    """``text`` as a terminal may have it: any user names tokens, and what moves cursors is a name, too."""
    return text if text.isprintable() else repr(text)[1:-1]
