# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a whole host: what it is, and what runs there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Iterable, Iterator, Mapping, Optional, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.observe import observe
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError, HostUnreachable, Unsupported
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import (
    DomainState,
    HostResources,
    Hypervisor,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.pool import PoolSpace
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine


@dataclass(frozen=True)
class HostFacts:
    """A host as it is; ``pools`` is what each of its active storage pools has room for, by their names."""

    uuid: Optional[str]
    resources: HostResources
    pools: Mapping[str, PoolSpace]


def host_facts(hypervisor: Hypervisor) -> HostFacts:
    """Read what the host is, and its storage pools."""
    return HostFacts(hypervisor.host_uuid(), hypervisor.resources(), dict(_spaces(hypervisor)))


def _spaces(hypervisor: Hypervisor) -> Iterator[Tuple[str, PoolSpace]]:
    """The space of each pool that can be read: a host without its pools can still run what it has."""
    try:
        pools = hypervisor.pools()
    except Unsupported:
        return
    for pool in pools:
        try:
            yield pool.name, pool.space()
        except HostUnreachable:
            raise
        except HostlerError:
            continue  # it was stopped, or is gone, since


def states(hypervisor: Hypervisor) -> Dict[str, DomainState]:
    """State of every domain by UUID, in one call."""
    return {row.uuid: row for row in hypervisor.domain_states()}


def look_at(hypervisor: Hypervisor, uuids: Iterable[str]) -> Tuple[Dict[str, ObservedMachine], Dict[str, str]]:
    """What the domains with those UUIDs are, and why those that can't be read can't.

    One that has gone is in neither: a sick domain never keeps the others from being read. Raises `HostUnreachable`.
    """
    found: Dict[str, ObservedMachine] = {}
    unreadable: Dict[str, str] = {}
    for uuid in uuids:
        try:
            domain = hypervisor.find_domain(uuid)
            if domain is not None:
                found[uuid] = observe(hypervisor, domain)
        except HostUnreachable:
            raise
        except HostlerError as error:
            if hypervisor.find_domain(uuid) is not None:
                unreadable[uuid] = error.message
    return found, unreadable
