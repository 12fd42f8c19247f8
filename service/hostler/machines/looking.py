# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at some VMs of a host, and writing down what they are: in one go, or the two apart."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial

import structlog

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.survey import Looks, look_at
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.roster import probe_name
from hostler.hosts.connection import HostConnection, Lane, reading_seconds
from hostler.hosts.models import Server
from hostler.jobs.at_work import at_work
from hostler.machines.arrivals import Departures
from hostler.machines.intake import Seen, is_left, mark_gone, take_in
from hostler.machines.models import Machine, MachineStatus

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Look:
    """What a look at some VMs came to; those ``waiting`` can't be told yet, and are to be looked at again: UUIDs."""

    uuids: Collection[str]
    appeared: int
    changed: int
    gone: int
    waiting: frozenset[str]
    fingerprints: Mapping[str, int]
    """Of the definitions that were seen."""
    unfinished: bool
    """Whether a create is at work on one of them elsewhere, or has failed here before the host was done."""


@dataclass(frozen=True)
class Sighting:
    """What was seen of some VMs, and what was known of them just before: rows by UUID, running jobs' actions by id."""

    uuids: Collection[str]
    rows: Mapping[str, Machine]
    at_work: Mapping[int, str]
    looks: Looks


async def look(
    server: Server,
    host: HostConnection,
    uuids: Collection[str],
    *,
    began: Collection[str] = (),
    departures: Departures | None = None,
    patient: bool = True,
) -> Look:
    """Look at some VMs and write down what they are; ``began`` are those whose guests began anew.

    A VM that was migrated away (``departures`` says so) stays where it was until it arrives, and what may be on its way
    here from another server is not taken in: both wait no longer if this is not ``patient``. Raises `HostUnreachable`.
    """
    return await write(
        server, host, await see(server, host, uuids), began=began, departures=departures, patient=patient
    )


async def see(server: Server, host: HostConnection, uuids: Collection[str]) -> Sighting:
    """See what these VMs are, for `write`. Raises `HostUnreachable`."""
    wanted = list(uuids)
    rows = {row.uuid: row for row in await Machine.filter(server_id=server.id, uuid__in=wanted)}
    # after the rows, before the look: what a job that began since says of its VM differs from nothing here
    busy = await at_work(server.id)
    free = [uuid for uuid in wanted if uuid not in rows or not is_left(busy.get(rows[uuid].id))]
    looks = await host.call(partial(look_at, uuids=free), seconds=reading_seconds(len(free)), lane=Lane.WATCH)
    return Sighting(wanted, rows, busy, looks)


async def write(
    server: Server,
    host: HostConnection,
    sighting: Sighting,
    *,
    without: Collection[str] = (),
    began: Collection[str] = (),
    departures: Departures | None = None,
    patient: bool = True,
) -> Look:
    """Write down what was seen, but of those ``without`` which that was to be; the rest as `look`."""
    looks, rows = sighting.looks, sighting.rows
    for uuid, reason in looks.unreadable.items():
        log.warning("vm.unreadable", host=server.hostname, uuid=uuid, reason=reason)
    machines = {
        uuid: machine
        for uuid, machine in looks.seen.items()
        if uuid not in without and machine.name != probe_name(uuid)
    }
    for uuid in looks.starting & machines.keys():
        known = rows.get(uuid)
        if not patient or (known is not None and known.status == MachineStatus.PAUSED.value):
            # no start takes so long: libvirt has left it like that, and its guest stands still until it is resumed
            machines[uuid] = replace(machines[uuid], status=MachineStatus.PAUSED.value)
    gone = [rows[uuid] for uuid in looks.gone if uuid in rows and uuid not in without]
    gone = [row for row in gone if row.id not in sighting.at_work]
    leaving = {
        row.uuid for row in gone if patient and departures is not None and departures.has_left(row.uuid, server.id)
    }
    # first: another VM may have the name of one that is gone
    marked = await mark_gone(server.id, [row.id for row in gone if row.uuid not in leaving])
    seen = Seen(server, machines, rows, sighting.at_work, began)
    taken = await take_in(host, seen, departures, copies=() if patient else sighting.uuids)
    return Look(
        uuids=[uuid for uuid in sighting.uuids if uuid not in without],
        appeared=taken.appeared,
        changed=taken.changed,
        gone=marked,
        waiting=taken.waiting | leaving | {uuid for uuid in looks.starting & machines.keys() if patient},
        fingerprints={uuid: looks.fingerprints[uuid] for uuid in machines},
        unfinished=any(one.record is not None and one.record.incomplete for one in machines.values()),
    )
