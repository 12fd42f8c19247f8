# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing the rows of a host's VMs in line with the host.

VMs that others made appear by themselves. A VM with a running job is left to that job, which writes the truth when
it ends.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import structlog
from tortoise.exceptions import IntegrityError
from tortoise.queryset import QuerySet
from tortoise.transactions import in_transaction

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.survey import host_facts, look_at, states
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostUnreachable
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import DomainState, Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.roster import probe_name
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import disk_gib
from ansible_collections.hostler.libvirt.plugins.module_utils.status import status_of
from hostler.database import rows as select
from hostler.events.record import Kind, record_server, record_vms
from hostler.hosts.connection import HostConnection
from hostler.hosts.models import Server, ServerState
from hostler.jobs.models import Job, JobState
from hostler.machines.forgetting import forget
from hostler.machines.models import Machine, MachineStatus
from hostler.machines.observation import fill, write_down

log = structlog.get_logger(__name__)

_KNOWN = "SELECT id, uuid, name, status FROM vm WHERE server_id = ?"
_BATCH = 100


@dataclass(frozen=True)
class SyncReport:
    """What a comparison of a host with its rows came to."""

    machines: int
    appeared: int
    changed: int
    gone: int


async def sync_host(
    server: Server, host: HostConnection, *, look_closely: Collection[str] | None = (), seconds: float | None = None
) -> SyncReport:
    """Compare all VMs of the host by one bulk call, and look closer at those that are new or differ.

    ``look_closely`` are UUIDs to be looked at in any case, None for every VM. Raises `HostUnreachable`.
    """
    found = await host.call(states, seconds=seconds)
    present = {uuid: state for uuid, state in found.items() if state.name != probe_name(uuid)}
    known = await _known(server)
    busy = await _busy(server)
    if look_closely is None:
        wanted = set(present)
    else:
        wanted = {uuid for uuid, state in present.items() if uuid in look_closely or _differs(known.get(uuid), state)}
    wanted -= {uuid for uuid in wanted if uuid in known and known[uuid].id in busy}
    gone = await _mark_gone([row.id for uuid, row in known.items() if uuid not in present and row.id not in busy])
    renamed = await _rename(server, known, {uuid: present[uuid].name for uuid in wanted if uuid in known})
    appeared = changed = 0
    for uuids in _batches(sorted(wanted)):
        # a host may have thousands, and many are compared at once when the service starts: never all in memory
        rows = {row.uuid: row for row in await Machine.filter(server_id=server.id, uuid__in=uuids)}
        # after the rows, before the look: what a job that began since says of its VM differs from nothing here
        busy = await _busy(server)
        free = [uuid for uuid in uuids if uuid not in rows or rows[uuid].id not in busy]
        observed, unreadable = await host.call(partial(look_at, uuids=free), seconds=seconds)
        for uuid, reason in unreadable.items():
            log.warning("vm.unreadable", host=server.hostname, uuid=uuid, reason=reason)
        for uuid, machine in observed.items():
            row = rows.get(uuid)
            if row is None:
                appeared += await _take_in(server, host, machine)
            else:
                changed += await _refresh(row, machine, server) or uuid in renamed
                await _number(host, machine, row.id)  # it may have been in the making when it appeared
    return SyncReport(len(present), appeared, changed, gone)


async def read_host(server: Server, host: HostConnection, seconds: float | None = None) -> None:
    """Write down what the host is, and that it is reachable."""
    current = await Server.get_or_none(id=server.id) or server  # which pool it is may have been changed
    facts = await host.call(host_facts, seconds=seconds)
    pool = facts.pools.get(current.pool)
    lasting = {
        "state": ServerState.REACHABLE.value,
        "state_reason": None,
        "host_uuid": facts.uuid,
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
    async with in_transaction():
        changed = not await Server.filter(id=server.id, **lasting).exists()
        await Server.filter(id=server.id).update(**lasting, **moving, last_seen=datetime.now(UTC))
        if changed:
            await record_server(Kind.SERVER_CHANGED, server.id)


async def mark_unreachable(server: Server, reason: HostUnreachable) -> None:
    """Write down that the host can't be reached: nobody knows what its VMs do."""
    await _lose_sight(server, ServerState.UNREACHABLE, reason.message)


async def mark_disabled(server: Server) -> None:
    """Write down that nobody looks at the host any more, nor knows what its VMs do."""
    await _lose_sight(server, ServerState.UNKNOWN, "The server is disabled")


async def _lose_sight(server: Server, state: ServerState, reason: str) -> None:
    is_so = {"state": state.value, "state_reason": reason}
    left_alone = [MachineStatus.CREATING.value, MachineStatus.DELETING.value, MachineStatus.UNKNOWN.value]
    async with in_transaction():
        if not await Server.filter(id=server.id, **is_so).exists():
            await Server.filter(id=server.id).update(**is_so)
            await record_server(Kind.SERVER_CHANGED, server.id)
        ids = await _ids(Machine.filter(server_id=server.id).exclude(status__in=left_alone))
        await Machine.filter(id__in=ids).update(status=MachineStatus.UNKNOWN.value, updated_at=datetime.now(UTC))
        await record_vms(Kind.VM_CHANGED, ids)


async def forget_gone(server_id: int, name: str) -> None:
    """Forget a VM of that name that others have removed: a domain that takes its name is another VM."""
    gone = await _ids(Machine.filter(server_id=server_id, name=name, status=MachineStatus.ERROR.value))
    if gone:
        await forget(*gone)


@dataclass(frozen=True, slots=True)
class _Known:
    """What of a row is compared with the host's bulk answer."""

    id: int
    name: str
    status: str


async def _known(server: Server) -> dict[str, _Known]:
    """What the database has of the server's VMs, by their UUIDs; as models they would take a hundred times as long."""
    return {row["uuid"]: _Known(row["id"], row["name"], row["status"]) for row in await select(_KNOWN, server.id)}


def _batches(uuids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (uuids[begin : begin + _BATCH] for begin in range(0, len(uuids), _BATCH))


async def _busy(server: Server) -> set[int]:
    ids = await Job.filter(server_id=server.id, state=JobState.RUNNING.value, vm_id__not_isnull=True).values_list(
        "vm_id", flat=True
    )
    return {int(str(one)) for one in ids}


async def _ids(rows: QuerySet[Machine]) -> list[int]:
    return [int(str(one)) for one in await rows.values_list("id", flat=True)]


def _differs(row: _Known | None, state: DomainState) -> bool:
    if row is None or row.name != state.name:
        return True
    # saved is a kind of stopped that the bulk call can't tell from it
    known = MachineStatus.STOPPED.value if row.status == MachineStatus.SAVED.value else row.status
    return known != status_of(state.state, state.reason)


async def _mark_gone(ids: Sequence[int]) -> int:
    left_alone = [MachineStatus.ERROR.value, MachineStatus.DELETING.value]
    rows = await Machine.filter(id__in=ids).exclude(status__in=left_alone) if ids else []
    for row in rows:
        log.warning("vm.gone", vm=row.id, name=row.name)
        row.status, row.ip_address, row.ip_source, row.vnc_port = MachineStatus.ERROR.value, None, None, None
        async with in_transaction():
            await row.save(update_fields=["status", "ip_address", "ip_source", "vnc_port", "updated_at"])
            await record_vms(Kind.VM_CHANGED, [row.id])
    return len(rows)


async def _rename(server: Server, known: Mapping[str, _Known], seen: Mapping[str, str]) -> Collection[str]:
    """Give rows the names that their domains have now, all together, for they may have swapped them; answer UUIDs."""
    names = {uuid: name for uuid, name in seen.items() if known[uuid].name != name}
    if not names:
        return ()
    now = datetime.now(UTC)
    try:
        async with in_transaction():
            for uuid in names:  # out of each other's way, under a name that no domain can have
                await Machine.filter(id=known[uuid].id).update(name=f"/{uuid}")
            for uuid, name in names.items():
                await forget_gone(server.id, name)
                await Machine.filter(id=known[uuid].id).update(name=name, updated_at=now)
            await record_vms(Kind.VM_CHANGED, [known[uuid].id for uuid in names])
    except IntegrityError:
        return ()  # one has the name of a VM that a job is at work on: each is tried by itself
    return names


async def _refresh(row: Machine, machine: ObservedMachine, server: Server) -> bool:
    try:
        return await write_down(row, machine, server)
    except IntegrityError:
        # another row has its name, of a VM that is gone or that a job is at work on
        log.warning("vm.name_conflict", vm=row.id, name=machine.name)
        return False


async def _take_in(server: Server, host: HostConnection, machine: ObservedMachine) -> bool:
    await forget_gone(server.id, machine.name)
    row = Machine(server_id=server.id, disk_gb=0.0)  # which stays where the host can't tell the disk's size
    fill(row, machine, server)
    row.last_seen = datetime.now(UTC)
    try:
        async with in_transaction():
            await row.save()
            await record_vms(Kind.VM_CREATED, [row.id])
    except IntegrityError:
        log.info("vm.being_created", host=server.hostname, name=machine.name)  # by a job that has just begun
        return False
    log.info("vm.appeared", host=server.hostname, vm=row.id, name=row.name, foreign=row.foreign)
    await _number(host, machine, row.id)
    return True


async def _number(host: HostConnection, machine: ObservedMachine, row_id: int) -> None:
    """Write our number into the record of a VM of ours that has none, once its maker is done with it."""
    record = machine.record
    if record is not None and record.id is None and not record.incomplete:
        numbered = dataclasses.replace(record, id=row_id)
        await host.call(lambda hypervisor: _set_record(hypervisor, numbered))


def _set_record(hypervisor: Hypervisor, record: Record) -> None:
    domain = hypervisor.find_domain(record.uuid)
    if domain is not None:
        domain.set_record(record)
