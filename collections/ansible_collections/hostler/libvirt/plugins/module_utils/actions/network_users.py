# SPDX-License-Identifier: GPL-3.0-or-later
"""Which VMs are on a network.

The network's own account of its cards is not enough: one that was stopped and started again has forgotten those of the
VMs that ran meanwhile. Nor are definitions: what hangs on the network's bridge by the bridge's name needs it as well.
"""

from __future__ import annotations

from typing import Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.definitions import Definitions, read_definitions
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.roster import present_rows
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import DomainDefinition
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.network_admin import Port
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.roster import RosterRow
from ansible_collections.hostler.libvirt.plugins.module_utils.network_entries import OWN_MODES


class Plug(NamedTuple):
    """A card of a VM that is, or would be when it starts, on the network."""

    vm: str
    uuid: str
    mac_address: Optional[str]
    running: bool


class Cards:
    """The cards of all VMs of a host, read once; ``whole`` is of those that are off, too."""

    def __init__(self, hypervisor: Hypervisor, whole: bool) -> None:
        rows = list(present_rows(hypervisor).values())
        self._rows: Sequence[RosterRow] = rows
        self._definitions: Mapping[str, Definitions] = read_definitions(hypervisor, rows, whole)

    def on(self, name: str, bridge: Optional[str]) -> List[Plug]:
        """Those on the network of that name, or by its name on the bridge that libvirt made for it."""
        return [plug for row in self._rows for plug in self._of(row, name, bridge)]

    def _of(self, row: RosterRow, name: str, bridge: Optional[str]) -> Iterator[Plug]:
        known = self._definitions.get(row.domain.uuid, Definitions())
        definition: Optional[DomainDefinition] = known.running or known.defined
        for card in () if definition is None else definition.interfaces:
            if (card.type, card.source) in (("network", name), ("bridge", bridge)):
                yield Plug(row.domain.name, row.domain.uuid, card.mac_address, row.active)


def bridge_of_its_own(data: Mapping[str, object]) -> Optional[str]:
    """The bridge that goes when the network (`network_xml.read`) stops; one of the host's stays."""
    forward = data["forward"]
    bridge = data["bridge"]
    own = isinstance(forward, Mapping) and forward["mode"] in OWN_MODES
    return str(bridge) if own and bridge else None


def running_users(plugs: Iterable[Plug], ports: Iterable[Port]) -> List[str]:
    """Names of the VMs that run and are on the network, by either account."""
    names = {plug.vm for plug in plugs if plug.running} | {port.domain for port in ports if port.domain}
    return sorted(names)
