# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written down of a host itself: what it is and has room for, and whether it is in sight."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from tortoise.transactions import in_transaction

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.survey import HostFacts, host_facts
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostUnreachable
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import disk_gib
from hostler.events.record import Kind, record_server, record_vms
from hostler.hosts.connection import BULK_SECONDS, HostConnection, Lane
from hostler.hosts.models import Server, ServerState
from hostler.machines.models import Machine, MachineStatus

_STIR = 0.01
"""What moves all the time is written down anew when it has moved by this part of the whole."""


async def read_host(server: Server, host: HostConnection) -> None:
    """Ask the host what it is, and `note_facts`. Raises `HostUnreachable`."""
    await note_facts(server, await host.call(host_facts, seconds=BULK_SECONDS, lane=Lane.WATCH))


async def note_facts(server: Server, facts: HostFacts) -> None:
    """Write down what the host is, and that it is reachable; nothing where all of that is known."""
    current = await Server.get_or_none(id=server.id) or server  # which pool it is may have been changed
    pool = facts.pools.get(current.pool)
    lasting = {
        "state": ServerState.REACHABLE.value,
        "state_reason": None,
        **({} if facts.uuid is None else {"host_uuid": facts.uuid}),
        "cpu_total": facts.resources.cpus,
        "memory_total_mb": facts.resources.memory_mb,
        "disk_total_gb": None if pool is None else disk_gib(pool.capacity),
    }
    moving = {
        "memory_free_mb": facts.resources.free_memory_mb,
        "disk_free_gb": None if pool is None else disk_gib(pool.available),
        "pools": [
            {"name": name, "total_gb": disk_gib(space.capacity), "free_gb": disk_gib(space.available)}
            for name, space in sorted(facts.pools.items())
        ],
    }
    is_new = any(getattr(current, name) != value for name, value in lasting.items())
    if not is_new and not _has_stirred(current, moving):
        return
    async with in_transaction():
        await Server.filter(id=server.id).update(**lasting, **moving, last_seen=datetime.now(UTC))
        if is_new:
            await record_server(Kind.SERVER_CHANGED, server.id)


def _has_stirred(known: Server, moving: Mapping[str, Any]) -> bool:
    """Whether what moves all the time is so far from what is known that it is worth a write."""
    if _is_far(known.memory_free_mb, moving["memory_free_mb"], known.memory_total_mb):
        return True
    before = {str(pool["name"]): pool for pool in known.pools}
    return before.keys() != {pool["name"] for pool in moving["pools"]} or any(
        _is_far(before[pool["name"]]["free_gb"], pool["free_gb"], pool["total_gb"])
        or before[pool["name"]]["total_gb"] != pool["total_gb"]
        for pool in moving["pools"]
    )


def _is_far(known: Any, seen: Any, whole: Any) -> bool:
    return known is None or whole is None or abs(seen - known) > _STIR * whole


async def note_seen(ids: Collection[int]) -> None:
    """Write down that these hosts are in sight at this moment."""
    if ids:
        await Server.filter(id__in=list(ids), state=ServerState.REACHABLE.value).update(last_seen=datetime.now(UTC))


async def mark_unreachable(server: Server, reason: HostUnreachable, seen: datetime | None = None) -> None:
    """Write down that the host can't be reached: nobody knows what its VMs do. ``seen`` is when it last could be."""
    await _lose_sight(server, ServerState.UNREACHABLE, reason.message, seen)


async def mark_disabled(server: Server, seen: datetime | None = None) -> None:
    """Write down that nobody looks at the host any more, nor knows what its VMs do."""
    await _lose_sight(server, ServerState.UNKNOWN, "The server is disabled", seen)


async def _lose_sight(server: Server, state: ServerState, reason: str, seen: datetime | None) -> None:
    is_so = {"state": state.value, "state_reason": reason}
    left_alone = [MachineStatus.CREATING.value, MachineStatus.DELETING.value, MachineStatus.UNKNOWN.value]
    async with in_transaction():
        # several services may notice it at the same time
        current = await Server.filter(id=server.id).select_for_update().first()
        if current is None:
            return
        was_in_sight = current.state == ServerState.REACHABLE.value
        last_seen = seen if was_in_sight and seen is not None else current.last_seen
        if (current.state, current.state_reason) != (state.value, reason):
            await Server.filter(id=server.id).update(**is_so, last_seen=last_seen)
            await record_server(Kind.SERVER_CHANGED, server.id)
        found = await Machine.filter(server_id=server.id).exclude(status__in=left_alone).values_list("id", flat=True)
        ids = [int(str(one)) for one in found]
        if ids:
            now = datetime.now(UTC)
            await Machine.filter(id__in=ids).update(
                status=MachineStatus.UNKNOWN.value, last_seen=last_seen or now, updated_at=now
            )
            await record_vms(Kind.VM_CHANGED, ids)
