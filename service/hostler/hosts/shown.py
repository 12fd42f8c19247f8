# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers as the API and the events show them."""

from __future__ import annotations

from collections.abc import Sequence

from hostler.hosts.models import Server
from hostler.hosts.schemas import ServerShown
from hostler.hosts.use import use_of


async def shown(servers: Sequence[Server]) -> list[ServerShown]:
    """The servers of these rows, with what their VMs use of them; from the database."""
    use = await use_of([server.id for server in servers])
    return [ServerShown.of(server, use[server.id]) for server in servers]


async def shown_one(server: Server) -> ServerShown:
    """As `shown`, of one."""
    (found,) = await shown([server])
    return found
