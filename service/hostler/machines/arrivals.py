# SPDX-License-Identifier: GPL-3.0-or-later
"""Who a domain is that a server has not had before: a new VM, one that came from another server, or a copy of one.

A VM keeps its row, and so its id, wherever it goes. It is the same one if it has the same UUID and is no longer where
it was; while it is on its way, both hosts have it, and who arrives has to wait.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from hostler.accounts.models import User
from hostler.accounts.users import LONGEST_NAME, name_key
from hostler.database.queries import marks, rows
from hostler.hosts.models import Server
from hostler.machines.models import Machine, MachineStatus

# of thousands of VMs; the ORM would take most of the time to write such queries
_ELSEWHERE = "SELECT id FROM vm WHERE server_id <> ? AND uuid IN ({marks})"
_TAKEN = "SELECT id FROM vm WHERE id IN ({marks})"

LARGEST_ID = 10**9
"""No domain may claim more: the numbers after it are for those that are still to come."""


@dataclass(frozen=True)
class Arrival:
    """A domain, and who it is: the ``row`` of a VM that came from elsewhere; else ``id``, the free number it claims."""

    machine: ObservedMachine
    row: Machine | None = None
    id: int | None = None
    owner_id: int | None = None


@dataclass(frozen=True)
class Arrivals:
    """Those that are to be taken in now, and the UUIDs of those that are still on their way."""

    now: Sequence[Arrival] = ()
    waiting: frozenset[str] = frozenset()


@dataclass
class Departures:
    """VMs that were migrated away, by UUID: the servers that they left, until they are seen elsewhere."""

    left: dict[str, int] = field(default_factory=dict)

    def has_left(self, uuid: str, server_id: int) -> bool:
        """Whether the VM was migrated away from that server."""
        return self.left.get(uuid) == server_id

    def forget(self, uuids: Collection[str], server_id: int) -> None:
        """VMs that left that server have come back, or nobody knows where they have gone."""
        for uuid in uuids:
            if self.left.get(uuid) == server_id:
                del self.left[uuid]


async def arrivals(
    server: Server, machines: Sequence[ObservedMachine], departures: Departures, copies: Collection[str]
) -> Arrivals:
    """Tell who each of these domains is, of which the server has no rows.

    ``copies`` are UUIDs of those that have waited long enough: two hosts may have the same VM, and both are shown.
    """
    if not machines:
        return Arrivals()
    elsewhere: dict[str, list[Machine]] = {}
    uuids = [machine.uuid for machine in machines]
    namesakes_of = await rows(_ELSEWHERE.format(marks=marks(uuids)), server.id, *uuids)
    for row in await Machine.filter(id__in=[row["id"] for row in namesakes_of]) if namesakes_of else ():
        elsewhere.setdefault(row.uuid, []).append(row)
    claimed = [number for machine in machines if (number := _claimed(machine)) is not None]
    taken = {row["id"] for row in await rows(_TAKEN.format(marks=marks(claimed)), *claimed)} if claimed else set()
    owners = await _owners(machines)
    now: list[Arrival] = []
    waiting: set[str] = set()
    for machine in machines:
        namesakes = elsewhere.get(machine.uuid, [])
        gone = [
            row
            for row in namesakes
            if row.status == MachineStatus.ERROR or departures.has_left(row.uuid, row.server_id)
        ]
        number = _claimed(machine)
        if gone:
            now.append(Arrival(machine, row=gone[0]))
        elif namesakes and (machine.uuid not in copies or not machine.is_persistent):
            # a domain that is migrated here is transient until it is here
            waiting.add(machine.uuid)
        else:
            free = number if number is not None and number not in taken else None
            if free is not None:
                taken.add(free)
            owner = machine.record.owner if machine.record is not None else None
            now.append(Arrival(machine, id=free, owner_id=owners.get(name_key(owner or ""))))
    return Arrivals(now, frozenset(waiting))


def _claimed(machine: ObservedMachine) -> int | None:
    """The number that the VM says it has, if a VM can have it."""
    number = None if machine.record is None else machine.record.id
    return number if number is not None and 0 < number <= LARGEST_ID else None


async def _owners(machines: Sequence[ObservedMachine]) -> dict[str, int]:
    said = {name_key(machine.record.owner) for machine in machines if machine.record and machine.record.owner}
    names = {name for name in said if len(name) <= LONGEST_NAME}  # a record may say anything, and Tortoise minds
    found = await User.filter(username_key__in=list(names)).values_list("username_key", "id") if names else []
    return {str(name): int(str(number)) for name, number in found}
