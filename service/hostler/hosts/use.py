# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server's VMs were promised: of its vCPUs and its memory, by all of them and by those that run."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from hostler.database.queries import marks, rows

# one that is gone from its host is in status error; whether one runs whose host is unreachable nobody knows
_USE = (
    "SELECT server_id, COUNT(*) AS vms, SUM(cpu_cores) AS cpu_cores, SUM(memory_mb) AS memory_mb,"
    " SUM(CASE WHEN status IN ('stopped', 'saved') THEN 0 ELSE 1 END) AS vms_running,"
    " SUM(CASE WHEN status IN ('stopped', 'saved') THEN 0 ELSE cpu_cores END) AS cpu_cores_running,"
    " SUM(CASE WHEN status IN ('stopped', 'saved') THEN 0 ELSE memory_mb END) AS memory_mb_running"
    " FROM vm WHERE status <> 'error'"
)
_COLUMNS = ("vms", "cpu_cores", "memory_mb", "vms_running", "cpu_cores_running", "memory_mb_running")


@dataclass(frozen=True, slots=True)
class Use:
    """Sums over a server's VMs; those that run are all but the ones that are known to be off. Memory is in MiB."""

    vms: int = 0
    cpu_cores: int = 0
    memory_mb: int = 0
    vms_running: int = 0
    cpu_cores_running: int = 0
    memory_mb_running: int = 0


async def use_of(ids: Collection[int]) -> dict[int, Use]:
    """The use of these servers, by their ids; one without VMs is there, too."""
    found = await rows(f"{_USE} AND server_id IN ({marks(ids)}) GROUP BY server_id", *ids) if ids else ()
    return {**dict.fromkeys(ids, Use()), **{row["server_id"]: _use(row) for row in found}}


async def use_of_all() -> dict[int, Use]:
    """The use of every server that has VMs."""
    return {row["server_id"]: _use(row) for row in await rows(f"{_USE} GROUP BY server_id")}


def _use(row: object) -> Use:
    return Use(*(int(row[name]) for name in _COLUMNS))  # type: ignore[index]  # a driver's row
