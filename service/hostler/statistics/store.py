# SPDX-License-Identifier: GPL-3.0-or-later
"""The last day's figures in the database: one transaction for all hosts, once a minute."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from tortoise.transactions import in_transaction

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.pool import PoolSpace
from hostler.database import rows
from hostler.statistics.history import Page
from hostler.statistics.models import UsageRound
from hostler.statistics.resolution import kept_seconds
from hostler.statistics.round import Round

_ROUNDS = "SELECT at, figures, pools FROM usage_round WHERE server_id = ? AND resolution = ? AND at >= ? ORDER BY at"
_RESOLUTIONS = "SELECT DISTINCT resolution FROM usage_round"


async def write(pages: Mapping[int, Sequence[Page]], moment: float) -> None:
    """Write each server's pages down, and forget what is older than it is kept, all at once."""
    found = await asyncio.to_thread(_as_rows, pages)
    resolutions = [int(row["resolution"]) for row in await rows(_RESOLUTIONS)]
    async with in_transaction():
        # of two services on one database each reads all hosts: whoever comes first has written it
        await UsageRound.bulk_create(found, ignore_conflicts=True)
        for resolution in resolutions:
            oldest = int(moment) - kept_seconds(resolution) - resolution
            await UsageRound.filter(resolution=resolution, at__lt=oldest).delete()


async def rounds_since(server_id: int, resolution: int, since: int) -> list[Round]:
    """What is written down of a server since then, the oldest first."""
    found = await rows(_ROUNDS, server_id, resolution, since)
    return await asyncio.to_thread(lambda: [_as_round(row) for row in found])


def _as_rows(pages: Mapping[int, Sequence[Page]]) -> list[UsageRound]:
    return [
        UsageRound(
            server_id=server_id,
            resolution=page.resolution,
            at=page.round.at,
            figures=page.round.pack(),
            pools={name: list(space) for name, space in page.round.pools.items()},
        )
        for server_id, several in pages.items()
        for page in several
    ]


def _as_round(row: Any) -> Round:
    pools = row["pools"] if isinstance(row["pools"], dict) else json.loads(row["pools"])
    return Round.unpack(row["at"], bytes(row["figures"]), {name: PoolSpace(*space) for name, space in pools.items()})
