# SPDX-License-Identifier: GPL-3.0-or-later
"""Which VMs of a server have a job at work on them, for whoever sees them change meanwhile."""

from __future__ import annotations

from collections.abc import Mapping

from hostler.database import rows

_RUNNING = "SELECT vm_id, action FROM job WHERE server_id = ? AND state = 'running' AND vm_id IS NOT NULL"


async def at_work(server_id: int) -> Mapping[int, str]:
    """The action of the running job of each VM of the server that has one, by the VM's id."""
    return {row["vm_id"]: row["action"] for row in await rows(_RUNNING, server_id)}
