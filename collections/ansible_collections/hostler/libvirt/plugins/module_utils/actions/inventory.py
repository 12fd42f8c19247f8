# SPDX-License-Identifier: GPL-3.0-or-later
"""The VMs of a host as an inventory has them: what they are, and where each is reached.

Nothing is asked of a QEMU, and of a guest's agent only where no source before it knows an address.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.agent_addresses import AgentAddresses
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.definitions import Definitions, read_definitions
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.observe import assembled, status_of_defined
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.roster import present_rows
from ansible_collections.hostler.libvirt.plugins.module_utils.address_wish import (
    AddressWish,
    chosen_address,
    validate_address_wish,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import DomainDefinition
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError, HostUnreachable
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Address
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.roster import RosterRow
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.side_connection import SideConnection
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import GuestAddress
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import Selection, choose, validate_selection

# of `ObservedMachine`: what is of no use to choose hosts by, and sizes of disks, for which QEMUs would be asked
_LEFT_OUT = ("disks", "disk_gb", "graphics", "vnc_port")


@dataclass(frozen=True)
class Listing:
    """Which VMs an inventory has, and how each is reached. ``statuses`` None is any; a VM has all of ``tags``.

    ``guest_timeout`` is in seconds, for all agents of the host together.
    """

    selection: Selection = field(default_factory=Selection)
    statuses: Optional[Tuple[str, ...]] = None
    tags: Tuple[str, ...] = ()
    addresses: AddressWish = field(default_factory=AddressWish)
    guest_timeout: float = 10


def validate_listing(listing: Listing) -> None:
    """Raise `InvalidSpec` for what can't be."""
    validate_selection(listing.selection)
    validate_address_wish(listing.addresses)


def list_vms(hypervisor: Hypervisor, listing: Listing) -> List[Dict[str, Any]]:
    """Plain data of each VM that is there and meant, in the order of `choose`. Raises `HostUnreachable`.

    One whose definition can't be read has its name, its UUID, its status and, in ``unreadable``, the reason; it has no
    tags.
    """
    rows = present_rows(hypervisor)
    chosen = choose(validate_selection(listing.selection), {uuid: row.domain.name for uuid, row in rows.items()})
    meant = [rows[one.uuid] for one in chosen if one.uuid in rows]
    with SideConnection(hypervisor) as side:
        reading = _Reading(hypervisor, AgentAddresses(side, listing.guest_timeout), listing, meant)
        read = [reading.entry(row) for row in meant]
    return [entry for entry in read if entry is not None]


class _Reading:
    """What is read of all at once, and the entry of each."""

    def __init__(
        self, hypervisor: Hypervisor, agents: AgentAddresses, listing: Listing, rows: Sequence[RosterRow]
    ) -> None:
        self._agents = agents
        self._listing = listing
        self._definitions: Mapping[str, Definitions] = read_definitions(hypervisor, rows, whole=True)
        self._leases: Dict[str, Sequence[Address]] = {}
        if "lease" in listing.addresses.sources and any(row.active for row in rows):
            for network in hypervisor.networks():
                self._leases.update(network.leases())

    def entry(self, row: RosterRow) -> Optional[Dict[str, Any]]:
        """All that is told about one VM; None if it is not meant, or has gone meanwhile."""
        definitions = self._definitions.get(row.domain.uuid, Definitions())
        if definitions.error is not None:
            return self._unread(row, definitions.error)
        definition = definitions.defined or definitions.running
        if definition is None:
            return None
        status = status_of_defined(row.status, definition)
        tags = () if definition.record is None else definition.record.tags
        if not self._is_meant(status, tags):
            return None
        address = None if definitions.running is None else self._address(row, definitions.running)
        data = assembled(
            definition,
            definitions.running,
            status=status,
            persistent=row.persistent,
            autostart=row.autostart,
            size_of=lambda _target: None,
            address=None if address is None else GuestAddress(address.address, address.source),
        ).as_data()
        return {**{key: value for key, value in data.items() if key not in _LEFT_OUT}, "persistent": row.persistent}

    def _unread(self, row: RosterRow, error: HostlerError) -> Optional[Dict[str, Any]]:
        if error.code == "vm_not_found" or not self._is_meant(row.status, ()):
            return None
        return {
            "name": row.domain.name,
            "uuid": row.domain.uuid,
            "status": row.status,
            "tags": [],
            "ip_address": None,
            "unreadable": error.message,
        }

    def _is_meant(self, status: str, tags: Sequence[str]) -> bool:
        statuses = self._listing.statuses
        return (statuses is None or status in statuses) and set(self._listing.tags).issubset(tags)

    def _address(self, row: RosterRow, running: DomainDefinition) -> Optional[Address]:
        return chosen_address(
            self._listing.addresses, running.interfaces, lambda source: self._told(source, row, running)
        )

    def _told(self, source: str, row: RosterRow, running: DomainDefinition) -> List[Address]:
        if source == "lease":
            cards = [card.mac_address for card in running.interfaces]
            return [lease for card in cards if card is not None for lease in self._leases.get(card, ())]
        if source == "arp":
            return row.domain.addresses("arp")
        # a guest that stands still says nothing, and asking an agent that is not there costs seconds, too
        if not running.guest_agent_connected or row.status != "running":
            return []
        try:
            return self._agents.of(row.domain.uuid)
        except HostUnreachable:
            raise
        except HostlerError:
            return []  # an agent that does not answer is one of many, and the inventory goes on without it
