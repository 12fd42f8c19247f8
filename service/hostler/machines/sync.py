# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing the rows of a host's VMs in line with the host.

VMs that others made appear by themselves. One that is being created or deleted is left to that job, which writes the
truth when it ends; of any other job what happens to its VM is shown as it happens.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import structlog
from tortoise.transactions import in_transaction

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.survey import fingerprints, states
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import DomainState
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.roster import probe_name
from ansible_collections.hostler.libvirt.plugins.module_utils.status import STARTING, status_of
from hostler.database.queries import marks, rows
from hostler.events.record import Kind, record_vms
from hostler.hosts.connection import BULK_SECONDS, HostConnection, Lane, reading_seconds
from hostler.hosts.models import Server
from hostler.jobs.at_work import at_work
from hostler.machines.arrivals import Departures
from hostler.machines.intake import KNOWN_TO_BE_GONE, is_left
from hostler.machines.looking import look
from hostler.machines.models import MachineStatus

log = structlog.get_logger(__name__)

States = Mapping[str, DomainState]
"""The states of a host's domains by UUID, as one bulk call tells them."""

_WHILE_STARTING = (MachineStatus.RUNNING.value, MachineStatus.PAUSED.value)
# of thousands of VMs; the ORM would take most of the time to write such queries
_KNOWN = "SELECT id, uuid, name, status FROM vm WHERE server_id = ?"
_OF_STATUS = "SELECT id, uuid FROM vm WHERE server_id = ? AND status = ?"
_ADOPT = "UPDATE vm SET status = ?, last_seen = ?, updated_at = ? WHERE id IN ({marks})"
BATCH = 100
"""VMs that are looked at, and written down, at once: a host may have thousands, and all hosts begin together."""


@dataclass(frozen=True)
class SyncReport:
    """What a comparison of a host with its rows came to."""

    machines: int
    appeared: int
    changed: int
    gone: int


@dataclass(frozen=True)
class Comparison:
    """What the bulk call showed: how many VMs there are, and the UUIDs of those that differ or are missing."""

    machines: int
    differing: Collection[str]
    away: Collection[str]
    """Only a look tells whether they are gone: a create may have ended since, or they are on their way elsewhere."""

    @property
    def doubtful(self) -> Sequence[str]:
        """Those that are to be looked at, first those that may be gone."""
        return [*sorted(self.away), *sorted(self.differing)]


async def bulk_states(host: HostConnection) -> States:
    """The states of all domains of the host, by one call. Raises `HostUnreachable`."""
    return await host.call(states, seconds=BULK_SECONDS, lane=Lane.WATCH)


async def sync_host(server: Server, host: HostConnection, departures: Departures | None = None) -> SyncReport:
    """Look at every VM of the host: what a definition has become no bulk call tells.

    Those that are on their way elsewhere (``departures``) are left to whoever watches the hosts. Raises
    `HostUnreachable`.
    """
    found = await bulk_states(host)
    comparison = await compare(server, found)
    appeared = changed = gone = 0
    for uuids in batches([*sorted(comparison.away), *sorted(present(found))]):
        looked = await look(server, host, uuids, departures=departures)
        appeared, changed, gone = appeared + looked.appeared, changed + looked.changed, gone + looked.gone
    return SyncReport(comparison.machines, appeared, changed, gone)


async def definitions(host: HostConnection, uuids: Collection[str]) -> Mapping[str, int]:
    """A number for the definition of each of these VMs: another one, and it has changed. Raises `HostUnreachable`."""
    read = partial(fingerprints, uuids=uuids)
    return await host.call(read, seconds=reading_seconds(len(uuids)), lane=Lane.WATCH)


async def compare(server: Server, found: States) -> Comparison:
    """Compare what the bulk call told with the rows. It writes nothing: the rows are younger than what was told."""
    there = present(found)
    known = {row["uuid"]: row for row in await rows(_KNOWN, server.id)}
    busy = await at_work(server.id)
    differing = {
        uuid
        for uuid, state in there.items()
        if (row := known.get(uuid)) is None or (_differs(row, state) and not is_left(busy.get(row["id"])))
    }
    away = {
        uuid
        for uuid, row in known.items()
        if uuid not in there and row["id"] not in busy and row["status"] not in KNOWN_TO_BE_GONE
    }
    return Comparison(len(there), differing, away)


async def adopt_states(server: Server, found: States) -> None:
    """Write down the states alone that the bulk call told, of VMs whose state was not known.

    Thus all VMs of a host that was away are true again before each of them was looked at.
    """
    unknown = await rows(_OF_STATUS, server.id, MachineStatus.UNKNOWN.value)
    busy = await at_work(server.id)
    by_status: dict[str, list[int]] = {}
    for row in unknown:
        state = found.get(row["uuid"])
        if state is not None and row["id"] not in busy:
            by_status.setdefault(status_of(state.state, state.reason), []).append(row["id"])
    by_status.pop(MachineStatus.UNKNOWN.value, None)
    if by_status:
        now = datetime.now(UTC)
        async with in_transaction():
            for status, ids in by_status.items():
                await rows(_ADOPT.format(marks=marks(ids)), status, now, now, *ids)
            await record_vms(Kind.VM_CHANGED, [number for ids in by_status.values() for number in ids])


def present(found: States) -> States:
    """Those of the domains that are somebody's VMs, and no guest that tries whether KVM works."""
    return {uuid: state for uuid, state in found.items() if state.name != probe_name(uuid)}


def batches(uuids: Sequence[str]) -> Iterator[Sequence[str]]:
    """``uuids`` in pieces of `BATCH`."""
    return (uuids[begin : begin + BATCH] for begin in range(0, len(uuids), BATCH))


def _differs(row: Mapping[str, object], state: DomainState) -> bool:
    if (state.state, state.reason) == STARTING and row["status"] in _WHILE_STARTING:
        return row["name"] != state.name  # which of the two it is, a look has found out
    # saved is a kind of stopped that the bulk call can't tell from it
    known = MachineStatus.STOPPED.value if row["status"] == MachineStatus.SAVED.value else row["status"]
    return row["name"] != state.name or known != status_of(state.state, state.reason)
