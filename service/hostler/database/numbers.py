# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers of VMs: the database counts them up, and is told of those that VMs have brought along."""

from __future__ import annotations

from hostler.database.queries import dialect, rows

# SQLite's AUTOINCREMENT sees for itself what was inserted, PostgreSQL's sequence does not
_POSTGRES = "SELECT setval(pg_get_serial_sequence('vm', 'id'), GREATEST(?, (SELECT last_value FROM vm_id_seq)))"
_SQLITE = "UPDATE sqlite_sequence SET seq = MAX(seq, ?) WHERE name = 'vm'"


async def pass_over(highest: int) -> None:
    """Have no VM that is still to come get a number up to ``highest``. To be called in a transaction."""
    if not highest:
        return
    if dialect() == "sqlite":
        await rows(_SQLITE, highest)
    else:
        await rows(_POSTGRES, highest)
