# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of one, some or all VMs of a host, in few calls, whatever state some of them are in.

A guest whose QEMU or agent hangs takes whoever asks it with it. So what needs them is asked on a connection of its own,
for so many seconds in all, and what has not come by then is missing from that VM's entry, which says so. Everything
else libvirt knows by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import AbstractSet, Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.agent_addresses import AgentAddresses
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.definitions import Definitions, read_definitions
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.observe import assembled, status_of_defined
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.roster import present_rows
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import DomainDefinition
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    GuestTimeout,
    HostlerError,
    HostUnreachable,
    InvalidSpec,
    MachineNotFound,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import facts, field_errors
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Address
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.roster import RosterRow
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.side_connection import SideConnection
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.statistics import Figures
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import GuestAddress
from ansible_collections.hostler.libvirt.plugins.module_utils.network import guest_addresses
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import (
    Chosen,
    Selection,
    choose,
    validate_selection,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.statistics import answered, disk_sizes, statistics_of

PARTS = ("spec", "addresses", "statistics")

# one QEMU that hangs costs one round: in the next it is known to be busy, and passed over
_ROUNDS = 3


@dataclass(frozen=True)
class Inquiry:
    """Which VMs are asked about, and what; their state is told in any case."""

    selection: Selection = field(default_factory=Selection)
    gather: Tuple[str, ...] = PARTS
    timeout: float = field(
        default=20,
        metadata=facts("How long guests may take in all for what only they know.", unit="s", minimum=1),
    )


def gather(hypervisor: Hypervisor, inquiry: Inquiry) -> List[Dict[str, Any]]:
    """Plain data of each VM that is asked about, in the order of `choose`; one that is not there has ``exists`` False.

    Raises `InvalidSpec` and `HostUnreachable`; of a VM of which something can't be read ``unreadable`` says what, and
    why.
    """
    errors = list(field_errors(inquiry))
    if errors:
        raise InvalidSpec(errors)
    selection = validate_selection(inquiry.selection)
    rows = present_rows(hypervisor)
    chosen = choose(selection, {uuid: row.domain.name for uuid, row in rows.items()})
    with SideConnection(hypervisor) as side:
        reading = _Reading(hypervisor, side, inquiry, [rows[one.uuid] for one in chosen if one.uuid in rows])
        return [_missing(one) if one.uuid not in rows else reading.entry(rows[one.uuid]) for one in chosen]


def _missing(one: Chosen) -> Dict[str, Any]:
    return {"exists": False, **{key: value for key, value in one._asdict().items() if value is not None}}


class _Reading:
    """What is read of all at once, and the entry of each."""

    def __init__(
        self, hypervisor: Hypervisor, side: SideConnection, inquiry: Inquiry, rows: Sequence[RosterRow]
    ) -> None:
        self._side = side
        self._is_test_driver = hypervisor.is_test_driver
        self._gather = inquiry.gather
        self._timeout = inquiry.timeout
        self._agents = AgentAddresses(side, inquiry.timeout)
        self._figures: Optional[Mapping[str, Figures]] = {}
        self._leases: Dict[str, Sequence[Address]] = {}
        self._definitions: Mapping[str, Definitions] = {}
        if self._gather:
            self._definitions = read_definitions(hypervisor, rows, whole="spec" in self._gather)
        if "spec" in self._gather or "statistics" in self._gather:
            self._figures = self._read_figures({row.domain.uuid for row in rows})
        if "addresses" in self._gather and any(row.active for row in rows):
            for network in hypervisor.networks():
                self._leases.update(network.leases())

    def entry(self, row: RosterRow) -> Dict[str, Any]:
        """All that was asked about one VM."""
        name, uuid = row.domain.name, row.domain.uuid
        known: Dict[str, Any] = {
            "exists": True,
            "name": name,
            "uuid": uuid,
            "status": row.status,
            "autostart": row.autostart,
            "persistent": row.persistent,
        }
        unreadable: List[str] = []
        try:
            known.update(self._parts(row, unreadable))
        except HostUnreachable:
            raise
        except MachineNotFound:
            return _missing(Chosen(name, None))  # it has gone meanwhile
        except HostlerError as error:
            unreadable.append(error.message)
        return {**known, "unreadable": unreadable}

    def _parts(self, row: RosterRow, unreadable: List[str]) -> Dict[str, Any]:
        parts: Dict[str, Any] = {}
        definitions = self._definitions.get(row.domain.uuid, Definitions())
        if definitions.error is not None:
            raise definitions.error
        running = definitions.running
        figures = self._figures_of(row, unreadable)
        addresses: List[Address] = []
        if "addresses" in self._gather and running is not None:
            addresses = self._addresses(row, running, unreadable)
        if "spec" in self._gather:
            parts.update(self._spec(row, definitions, figures, addresses))
        if "addresses" in self._gather:
            parts["addresses"] = [one._asdict() for one in addresses]
        if "statistics" in self._gather:
            cards = () if running is None else tuple(card.mac_address for card in running.interfaces)
            parts["statistics"] = statistics_of(figures, cards) if row.active and figures else None
        return parts

    def _spec(
        self, row: RosterRow, definitions: Definitions, figures: Figures, addresses: Sequence[Address]
    ) -> Dict[str, Any]:
        definition = definitions.defined or definitions.running
        if definition is None:  # it was powered off meanwhile, and was transient
            raise MachineNotFound(f"VM '{row.domain.name}' not found on this host")
        first = next(iter(addresses), None)
        return assembled(
            definition,
            definitions.running,
            status=status_of_defined(row.status, definition),
            persistent=row.persistent,
            autostart=row.autostart,
            # the test driver tells no figures, and nobody hangs there who is asked
            size_of=row.domain.disk_size if self._is_test_driver else disk_sizes(figures).get,
            address=None if first is None else GuestAddress(first.address, first.source),
        ).as_data()

    def _figures_of(self, row: RosterRow, unreadable: List[str]) -> Figures:
        if self._figures is None:
            half = f"{self._timeout / 2:g} s"
            unreadable.append(f"statistics and sizes of disks: the guests' QEMUs did not all answer within {half}")
            return {}
        figures = self._figures.get(row.domain.uuid, {})
        if row.active and not answered(figures):
            unreadable.append("statistics and sizes of disks: the VM's QEMU is busy, or does not answer")
        return figures

    def _addresses(self, row: RosterRow, running: DomainDefinition, unreadable: List[str]) -> List[Address]:
        told: List[Address] = []
        # a guest that stands still says nothing, and asking an agent that is not there costs seconds, too
        if running.guest_agent_connected and row.status == "running":
            try:
                told = self._agents.of(row.domain.uuid)
            except HostUnreachable:
                raise
            except HostlerError as error:
                unreadable.append(f"addresses by the guest agent: {error.message}")
        return guest_addresses(running, told, self._leases, row.domain.addresses("arp"))

    def _read_figures(self, uuids: AbstractSet[str]) -> Optional[Mapping[str, Figures]]:
        """None if no round ended: then each of them met another QEMU that hangs."""
        whole = "statistics" in self._gather
        for _round in range(_ROUNDS):
            try:
                # half of the time is the agents'
                return self._side.call(self._timeout / (2 * _ROUNDS), lambda other: other.figures(uuids, whole))
            except GuestTimeout:
                pass  # who hangs is busy with that call now
        return None
