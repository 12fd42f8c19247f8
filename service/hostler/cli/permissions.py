# SPDX-License-Identifier: GPL-3.0-or-later
"""Permissions on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from hostler.permission import Permission


def parse_permissions(names: Sequence[str]) -> list[Permission]:
    """Return the permissions of these names, each once; raises typer.BadParameter for one that there is not."""
    from hostler.permission import Permission

    for name in names:
        if name not in list(Permission):
            raise typer.BadParameter(f"{name!r} is no permission: read, write or admin")
    return [permission for permission in Permission if permission in names]
