# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a whole host: what it is, and what runs there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Container, Dict, Iterable, NamedTuple, Optional, Set

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.observe import glance
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError, HostUnreachable
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import (
    DomainState,
    HostResources,
    Hypervisor,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.pool import PoolSpace
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine


@dataclass(frozen=True)
class HostFacts:
    """A host as it is; ``pool`` is what its storage pool has room for, None where that can't be read."""

    uuid: Optional[str]
    resources: HostResources
    pool: Optional[PoolSpace]


def host_facts(hypervisor: Hypervisor, pool_name: str) -> HostFacts:
    """Read what the host is, and the storage pool ``pool_name`` of it."""
    return HostFacts(hypervisor.host_uuid(), hypervisor.resources(), _space(hypervisor, pool_name))


def _space(hypervisor: Hypervisor, pool_name: str) -> Optional[PoolSpace]:
    try:
        return hypervisor.pool(pool_name).require_active().space()
    except HostUnreachable:
        raise
    except HostlerError:
        return None  # a host without its pool can still run what it has


class Looks(NamedTuple):
    """What came of a look at some domains, by their UUIDs."""

    seen: Dict[str, ObservedMachine]
    unreadable: Dict[str, str]
    """Why those that can't be read can't be."""
    gone: Set[str]
    """Those that are not there."""


def states(hypervisor: Hypervisor) -> Dict[str, DomainState]:
    """State of every domain by UUID, in one call."""
    return {row.uuid: row for row in hypervisor.domain_states()}


def look_at(hypervisor: Hypervisor, uuids: Iterable[str]) -> Looks:
    """What the domains with those UUIDs are, as far as libvirt knows by itself: no guest that hangs is waited for.

    A sick domain never keeps the others from being read. Raises `HostUnreachable`.
    """
    looks = Looks({}, {}, set())
    for uuid in uuids:
        domain = hypervisor.find_domain(uuid)
        if domain is None:
            looks.gone.add(uuid)
            continue
        try:
            looks.seen[uuid] = glance(hypervisor, domain)
        except HostUnreachable:
            raise
        except HostlerError as error:
            if hypervisor.find_domain(uuid) is None:
                looks.gone.add(uuid)
            else:
                looks.unreadable[uuid] = error.message
    return looks


def fingerprints(hypervisor: Hypervisor, uuids: Container[str]) -> Dict[str, int]:
    """A number for what each of the domains with those UUIDs is defined as, by UUID; equal ones are alike.

    Of this process alone. Libvirt tells of many changes of a definition, and of some it tells nobody: of sizes that are
    set for the next start, of autostart, of a managed save that is thrown away. Raises `HostUnreachable`.
    """
    found = {}
    for row in hypervisor.roster():
        domain = row.domain
        if domain.uuid in uuids:
            try:
                found[domain.uuid] = hash((domain.xml(inactive=row.persistent), row.autostart, row.saved))
            except HostUnreachable:
                raise
            except HostlerError:
                continue  # it has gone meanwhile, or can't be read: whoever looks at it says so
    return found
