# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the running guests of a host can be reached, and what else only they or their QEMUs can tell.

Libvirt's leases come by one call for each network. A guest whose QEMU or agent hangs is given up after seconds, and
takes none of the others' time but that.
"""

from __future__ import annotations

from typing import Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.agent_addresses import AgentAddresses
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import DomainDefinition
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import read_domain
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    GuestTimeout,
    HostlerError,
    HostUnreachable,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Address, Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.side_connection import SideConnection
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import GuestAddress
from ansible_collections.hostler.libvirt.plugins.module_utils.network import guest_addresses

_RUNNING = 1  # VIR_DOMAIN_RUNNING: a guest that stands still says nothing
_SIZE_SECONDS = 3


class Reach(NamedTuple):
    """What a running guest told, or was told of it."""

    address: Optional[GuestAddress]
    disk_size: Optional[int]
    """Bytes of its first disk, where that was asked for."""
    hangs: bool
    """Whether its agent or its QEMU did not answer in time."""


def reach(hypervisor: Hypervisor, uuids: Iterable[str], sizeless: Iterable[str], timeout: float) -> Dict[str, Reach]:
    """Ask the domains with those UUIDs, at most ``timeout`` seconds for all agents; those that are off are left out.

    Of those in ``sizeless`` the first disk's size is asked for, too. Raises `HostUnreachable`.
    """
    wanted = list(uuids)
    with_size = set(sizeless)
    networks = hypervisor.networks() if wanted else []
    leases = _by_card(network.leases() for network in networks)
    declared = _by_card(network.declared() for network in networks)
    found: Dict[str, Reach] = {}
    with SideConnection(hypervisor) as side:
        agents = AgentAddresses(side, timeout)
        for uuid in wanted:
            try:
                domain = hypervisor.domain(uuid)
                state = domain.state()
                if not domain.is_active():
                    continue
                running = read_domain(domain.xml())
                found[uuid] = _ask(domain, running, state == _RUNNING, leases, agents)
                if found[uuid].address is None:
                    found[uuid] = found[uuid]._replace(address=_declared(running, declared))
                if uuid in with_size:
                    found[uuid] = _with_size(found[uuid], domain, running, side)
            except HostUnreachable:
                raise
            except HostlerError:
                continue  # it has gone, or can't be read: whoever looks at it says so
    return found


def _by_card(told: Iterable[Mapping[str, Sequence[Address]]]) -> Dict[str, Sequence[Address]]:
    found: Dict[str, Sequence[Address]] = {}
    for one in told:
        found.update(one)
    return found


def _declared(running: DomainDefinition, declared: Mapping[str, Sequence[Address]]) -> Optional[GuestAddress]:
    """What a network has set aside for one of the cards: nobody has seen the guest there, but there it should be."""
    found = guest_addresses(running, (), declared, ())
    return GuestAddress(found[0].address, found[0].source) if found else None


def _ask(
    domain: Domain,
    running: DomainDefinition,
    runs: bool,
    leases: Mapping[str, Sequence[Address]],
    agents: AgentAddresses,
) -> Reach:
    told: List[Address] = []
    hangs = False
    if runs and running.guest_agent_connected:  # asking an agent that is not there costs seconds, too
        try:
            told = agents.of(domain.uuid)
        except HostUnreachable:
            raise
        except GuestTimeout:
            hangs = True
        except HostlerError:
            pass  # an old agent that can't tell, say
    addresses = guest_addresses(running, told, leases, domain.addresses("arp"))
    best = next(iter(addresses), None)
    return Reach(None if best is None else GuestAddress(best.address, best.source), None, hangs)


def _with_size(told: Reach, domain: Domain, running: DomainDefinition, side: SideConnection) -> Reach:
    target = next((disk.target for disk in running.disks if disk.device == "disk"), None)
    if target is None:
        return told
    try:
        size = side.call(_SIZE_SECONDS, lambda other: other.domain(domain.uuid).disk_size(target))
    except GuestTimeout:
        return told._replace(hangs=True)
    return told._replace(disk_size=size)
