# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing down what was seen of many VMs of a host: in one transaction, or, where one is in the way, each by itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

import structlog
from tortoise.exceptions import IntegrityError
from tortoise.transactions import in_transaction

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError, HostUnreachable
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from hostler.database.numbers import pass_over
from hostler.database.queries import marks
from hostler.database.queries import rows as select
from hostler.dispatch import Action
from hostler.events.record import Kind, record_vms
from hostler.hosts.connection import HostConnection, Lane, reading_seconds
from hostler.hosts.models import Server
from hostler.machines.arrivals import Arrival, Arrivals, Departures, arrivals
from hostler.machines.forgetting import forget
from hostler.machines.models import Machine, MachineStatus
from hostler.machines.observation import SEEN, difference, fill, is_told

log = structlog.get_logger(__name__)

# of thousands of VMs; the ORM would take most of the time to write such queries
_GONE = "SELECT id, name FROM vm WHERE server_id = ? AND status = ?"
_IDS = "SELECT uuid, id FROM vm WHERE server_id = ? AND uuid IN ({marks})"
_TIMES = ("last_seen", "updated_at")
_ASKED = ("revision", "spec", "drift")
"""What follows from what was asked for, too, and not from the host alone."""
KNOWN_TO_BE_GONE = (MachineStatus.ERROR.value, MachineStatus.DELETING.value)
"""What a VM is that its host no longer has, or is about to have no longer: that it is not there is no news."""
_TOLD_BY_NAME = 20  # in the log, of VMs that are seen for the first time in one look
# what such a job makes of its VM can't be told from looking at it before it has ended
_OWN_THEIRS = (Action.CREATE, Action.DELETE)


@dataclass(frozen=True)
class Seen:
    """What was seen of some VMs of a server, and what was known before: rows by UUID, running jobs' actions by id."""

    server: Server
    machines: Mapping[str, ObservedMachine]
    rows: Mapping[str, Machine]
    at_work: Mapping[int, str]
    began: Collection[str] = ()
    """UUIDs of those whose guests began anew: where they were reached says nothing any more."""


@dataclass(frozen=True)
class Taken:
    """What came of it: how many VMs appeared, how many rows are other than they were, who is still on its way."""

    appeared: int
    changed: int
    waiting: frozenset[str] = frozenset()


class _Change(NamedTuple):
    """A row as it is now, the columns in which it is other than before, and what these and `_ASKED` were by then."""

    row: Machine
    columns: list[str]
    before: Mapping[str, Any]


def is_left(action: str | None) -> bool:
    """Whether a VM is left to the job that is at work on it."""
    return action in _OWN_THEIRS


def is_unfinished(row: Machine) -> bool:
    """Whether a create of ours is at work on it, or has failed and could not take it back: `sweep_unfinished` does.

    Of one that another service creates nothing was asked here, so it has no revision.
    """
    return row.status == MachineStatus.CREATING and row.revision > 0


async def take_in(
    host: HostConnection, seen: Seen, departures: Departures | None = None, copies: Collection[str] = ()
) -> Taken:
    """Write down what was seen; who is new here: `arrivals`."""
    new = [machine for uuid, machine in seen.machines.items() if uuid not in seen.rows]
    departures = departures or Departures()
    arrived = await arrivals(seen.server, new, departures, copies)
    changed = [
        change
        for uuid, machine in seen.machines.items()
        if (row := seen.rows.get(uuid)) is not None and (change := _change(row, machine, seen)) is not None
    ]
    again: set[str] = set()
    try:
        ids = await _write(seen.server, arrived.now, changed, again)
        taken = Taken(len(arrived.now), len(changed), arrived.waiting | again)
    except IntegrityError:
        ids, taken = await _one_by_one(seen, arrived)
    told = [arrival for arrival in arrived.now if arrival.machine.uuid in ids]
    for arrival in arrived.now:
        departures.left.pop(arrival.machine.uuid, None)
    _tell(seen.server, ids, told)
    await _number(host, seen, ids)
    return taken


async def mark_gone(server_id: int, ids: Sequence[int]) -> int:
    """Write down that these VMs are no longer on that server; how many of them were thought to be.

    One that was seen on another server meanwhile is there.
    """
    if not ids:
        return 0
    async with in_transaction():
        found = Machine.filter(id__in=list(ids), server_id=server_id).exclude(status__in=list(KNOWN_TO_BE_GONE))
        rows = [row for row in await found.select_for_update() if not is_unfinished(row)]
        for row in rows:
            log.warning("vm.gone", vm=row.id, name=row.name)
            row.status, row.ip_address, row.ip_source, row.vnc_port = MachineStatus.ERROR.value, None, None, None
            await row.save(update_fields=["status", "ip_address", "ip_source", "vnc_port", "updated_at"])
        await record_vms(Kind.VM_CHANGED, [row.id for row in rows])
    return len(rows)


async def forget_gone(server_id: int, names: Collection[str]) -> None:
    """Forget VMs of those names that others have removed: a domain that takes such a name is another VM."""
    gone = await select(_GONE, server_id, MachineStatus.ERROR.value) if names else ()
    wanted = set(names)
    ids = [int(row["id"]) for row in gone if row["name"] in wanted]
    if ids:
        await forget(*ids)


def _change(row: Machine, machine: ObservedMachine, seen: Seen) -> _Change | None:
    before = {name: getattr(row, name) for name in SEEN}
    columns = _difference(row, machine, seen)
    return _Change(row, columns, before) if columns else None


def _difference(row: Machine, machine: ObservedMachine, seen: Seen) -> list[str]:
    action, status = seen.at_work.get(row.id), row.status
    if is_left(action) or (action == Action.RESTART and not machine.is_active):
        return []  # a power cycle of ours is no stop
    if is_unfinished(row) and action is None:
        return []
    columns = difference(row, machine, seen.server, address="lost" if row.uuid in seen.began else "kept")
    if action == Action.STOP and status == MachineStatus.STOPPING and machine.is_active:
        row.status = status  # it was asked to stop, and has not yet
        columns = [name for name in columns if name != "status"]
        return columns if set(columns) - set(_TIMES) else []
    return columns


async def _write(
    server: Server, arrived: Sequence[Arrival], changed: Sequence[_Change], again: set[str]
) -> Mapping[str, int]:
    """Write rows and their events at once, and answer the ids of those that arrived; raises IntegrityError.

    The UUIDs of those that are to be looked at ``again`` are added to that.
    """
    if not arrived and not changed:
        return {}
    moved = [(row, arrival.machine) for arrival in arrived if (row := arrival.row) is not None]
    new = [arrival for arrival in arrived if arrival.row is None]
    async with in_transaction():
        open_changes = await _still_open(changed, again)
        # out of each other's way, under names that no domain can have: they may have swapped theirs
        renamed = [row for row, columns, _ in open_changes if "name" in columns]
        for row in renamed:
            await Machine.filter(id=row.id).update(name=f"/{row.uuid}")
        await forget_gone(server.id, [arrival.machine.name for arrival in arrived] + [row.name for row in renamed])
        for row, columns, _ in open_changes:
            await row.save(update_fields=[*columns, *_TIMES])
        told = [row.id for row, columns, current in open_changes if is_told(columns, current, row)]
        for row, machine in moved:
            row.server_id = server.id
            fill(row, machine, server)
            row.last_seen = datetime.now(UTC)
            await row.save()
        blank = Machine(server_id=server.id, disk_gb=0.0)
        made = [_new_row(server, arrival, blank) for arrival in new]
        numbered = [row for arrival, row in zip(new, made, strict=True) if arrival.id is not None]
        await Machine.bulk_create(numbered)
        await pass_over(max((row.id for row in numbered), default=0))
        await Machine.bulk_create([row for arrival, row in zip(new, made, strict=True) if arrival.id is None])
        ids = await _ids_of(server, [row.uuid for row in made])
        await record_vms(Kind.VM_CHANGED, [*told, *(row.id for row, _ in moved)])
        await record_vms(Kind.VM_CREATED, list(ids.values()))
    return {**ids, **{row.uuid: row.id for row, _ in moved}}


async def _still_open(changed: Sequence[_Change], again: set[str]) -> list[tuple[Machine, list[str], Machine]]:
    """Lock these rows, and answer of each which columns are to be saved, and the row as the database has it.

    Between the look and now others may have written: a job that has ended, and looked, too, or one that has asked for
    something else. What is other by then than it was may be newer than the look: it is left to another look.
    """
    found = await Machine.filter(id__in=[change.row.id for change in changed]).select_for_update()
    current = {row.id: row for row in found}
    still_open = []
    for row, columns, before in changed:
        now = current.get(row.id)
        if now is None or now.server_id != row.server_id:  # it was seen on another server meanwhile
            continue
        newer = {name for name in {*columns, *_ASKED} - set(_TIMES) if getattr(now, name) != before[name]}
        if newer.intersection(_ASKED):
            newer.update(_ASKED)
            again.add(row.uuid)
        new = [name for name in columns if name not in _TIMES and getattr(row, name) != getattr(now, name)]
        if newer.intersection(new):
            again.add(row.uuid)
        if to_save := [name for name in new if name not in newer]:
            still_open.append((row, to_save, now))
    return still_open


def _new_row(server: Server, arrival: Arrival, blank: Machine) -> Machine:
    """The row of a VM that is new here; ``blank`` is one of its server that says nothing yet.

    Its disk_gb stays where the host can't tell the disk's size.
    """
    if arrival.id is not None:  # Tortoise heeds an id only if the row is made with it
        row = Machine(id=arrival.id, server_id=server.id, disk_gb=0.0)
    else:  # to be made anew would take five times as long: Tortoise asks of each default whether it is a coroutine
        row = blank.clone()
        row.tags, row.spec = [], {}
    fill(row, arrival.machine, server)
    row.owner_id = arrival.owner_id
    row.last_seen = datetime.now(UTC)
    return row


async def _ids_of(server: Server, uuids: Sequence[str]) -> Mapping[str, int]:
    found = await select(_IDS.format(marks=marks(uuids)), server.id, *uuids) if uuids else ()
    return {row["uuid"]: row["id"] for row in found}


def _tell(server: Server, ids: Mapping[str, int], arrived: Sequence[Arrival]) -> None:
    new = [arrival for arrival in arrived if arrival.row is None]
    if len(new) > _TOLD_BY_NAME:  # a host that nobody knew; the events tell of each
        log.info("vms.appeared", host=server.hostname, number=len(new))
    for arrival in arrived if len(new) <= _TOLD_BY_NAME else [one for one in arrived if one.row is not None]:
        event = "vm.appeared" if arrival.row is None else "vm.moved"
        machine = arrival.machine
        log.info(event, host=server.hostname, vm=ids[machine.uuid], name=machine.name, foreign=machine.record is None)


async def _one_by_one(seen: Seen, arrived: Arrivals) -> tuple[Mapping[str, int], Taken]:
    ids: dict[str, int] = {}
    again: set[str] = set()
    appeared = changed = 0
    for arrival in arrived.now:
        try:
            ids.update(await _write(seen.server, [arrival], [], again))
            appeared += 1
        except IntegrityError:  # by a job that has just begun
            log.info("vm.being_created", host=seen.server.hostname, name=arrival.machine.name)
    for row in await Machine.filter(server_id=seen.server.id, uuid__in=list(seen.rows)):  # as they are, not as wished
        machine = seen.machines.get(row.uuid)
        if machine is None or (change := _change(row, machine, seen)) is None:
            continue
        try:
            await _write(seen.server, [], [change], again)
            changed += 1
        except IntegrityError:  # another row has its name, of a VM that is gone or that a job is at work on
            log.warning("vm.name_conflict", vm=row.id, name=machine.name)
    return ids, Taken(appeared, changed, arrived.waiting | again)


async def _number(host: HostConnection, seen: Seen, new: Mapping[str, int]) -> None:
    """Write our numbers into the records of VMs of ours that have none, once their makers are done with them.

    One that appears with a number that another VM has gets its own. Later on a number that is not ours is another
    service's, which would write it again.
    """
    ids = {**{uuid: row.id for uuid, row in seen.rows.items()}, **new}
    numbered = [
        dataclasses.replace(record, id=ids[uuid])
        for uuid, machine in seen.machines.items()
        if (record := machine.record) is not None
        and not record.incomplete
        and uuid in ids
        and (record.id is None or (uuid in new and record.id != new[uuid]))
    ]
    if numbered:
        write = partial(_set_records, records=numbered)
        await host.call(write, seconds=reading_seconds(len(numbered)), lane=Lane.WATCH)


def _set_records(hypervisor: Hypervisor, records: Sequence[Record]) -> None:
    for record in records:
        try:
            domain = hypervisor.find_domain(record.uuid)
            if domain is not None:
                domain.set_record(record)
        except HostUnreachable:
            raise
        except HostlerError as error:  # the next look tries again, if it has none; of a copy it stays
            log.warning("vm.not_numbered", vm=record.id, uuid=record.uuid, reason=error.message)
