# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a whole host: what it is, and what runs there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import (
    Callable,
    Dict,
    Iterable,
    Iterator,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.observe import glance
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError, HostUnreachable, Unsupported
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import (
    DomainState,
    HostResources,
    Hypervisor,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.pool import PoolSpace
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.roster import RosterRow, roster_row
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.statistics import Figures
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.statistics import disk_sizes
from ansible_collections.hostler.libvirt.plugins.module_utils.status import STARTING

_FEW = 8  # so many looked up one by one take less than a list of all


@dataclass(frozen=True)
class HostFacts:
    """A host as it is; ``pools`` is what each of its active storage pools has room for, by their names.

    ``uuid`` is None where the driver has none, or it was not asked for.
    """

    uuid: Optional[str]
    resources: HostResources
    pools: Mapping[str, PoolSpace]


def host_facts(hypervisor: Hypervisor, *, with_uuid: bool = True) -> HostFacts:
    """Read what the host is, and its storage pools.

    Libvirt tells the UUID together with what the host's emulators can do: a libvirtd that was just started asks each of
    them, and is most of a second at it.
    """
    uuid = hypervisor.host_uuid() if with_uuid else None
    return HostFacts(uuid, hypervisor.resources(), dict(_spaces(hypervisor)))


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


class Looks(NamedTuple):
    """What came of a look at some domains, by their UUIDs."""

    seen: Dict[str, ObservedMachine]
    unreadable: Dict[str, str]
    """Why those that can't be read can't be."""
    gone: Set[str]
    """Those that are not there."""
    fingerprints: Dict[str, int]
    """As `fingerprints` tells them, of those that were seen."""
    starting: Set[str]
    """Those whose QEMU was being started: whether that has succeeded is to be looked at again."""

    @classmethod
    def none(cls) -> Looks:
        """Of nobody yet."""
        return cls({}, {}, set(), {}, set())

    def take(
        self,
        hypervisor: Hypervisor,
        uuid: str,
        row_of: Callable[[], RosterRow],
        sizes_of: Callable[[RosterRow], Optional[Mapping[str, int]]],
    ) -> None:
        """Look at one of them. Raises `HostUnreachable`."""
        try:
            row = row_of()
            xml = row.domain.xml(inactive=row.persistent)
            self.seen[uuid] = glance(hypervisor, row, xml, sizes_of(row))
            self.fingerprints[uuid] = _fingerprint(row, xml)
            if (row.state, row.reason) == STARTING:
                self.starting.add(uuid)
        except HostUnreachable:
            raise
        except HostlerError as error:
            if hypervisor.find_domain(uuid) is None:
                self.gone.add(uuid)
            else:
                self.unreadable[uuid] = error.message


def states(hypervisor: Hypervisor) -> Dict[str, DomainState]:
    """State of every domain by UUID, in one call."""
    return {row.uuid: row for row in hypervisor.domain_states()}


def look_at(hypervisor: Hypervisor, uuids: Iterable[str]) -> Looks:
    """What the domains with those UUIDs are, as far as libvirt knows by itself: no guest that hangs is waited for.

    A sick domain never keeps the others from being read. Many are told by a few calls, and one for the definition of
    each. Raises `HostUnreachable`.
    """
    wanted = list(uuids)
    return _look_at_many(hypervisor, wanted) if len(wanted) > _FEW else _look_at_each(hypervisor, wanted)


def _look_at_each(hypervisor: Hypervisor, uuids: Sequence[str]) -> Looks:
    looks = Looks.none()
    for uuid in uuids:
        domain = hypervisor.find_domain(uuid)
        if domain is None:
            looks.gone.add(uuid)
        else:
            looks.take(
                hypervisor,
                uuid,
                partial(roster_row, domain),
                lambda row: _sizes_in(_disk_figures(hypervisor, [row]), row),
            )
    return looks


def _look_at_many(hypervisor: Hypervisor, uuids: Sequence[str]) -> Looks:
    looks = Looks.none()
    rows = {row.domain.uuid: row for row in hypervisor.roster(set(uuids))}
    figures = _disk_figures(hypervisor, rows.values())
    for uuid in uuids:
        if uuid not in rows:
            looks.gone.add(uuid)
        else:
            looks.take(hypervisor, uuid, partial(rows.__getitem__, uuid), partial(_sizes_in, figures))
    return looks


def _disk_figures(hypervisor: Hypervisor, rows: Iterable[RosterRow]) -> Optional[Mapping[str, Figures]]:
    """Those of the disks of VMs that are off, by UUID; if one was started since, its QEMU is not waited for.

    None of the test driver, which tells no figures, and whose domains don't hang.
    """
    if hypervisor.is_test_driver:
        return None
    return hypervisor.disk_figures(row.domain for row in rows if not row.active)


def _sizes_in(figures: Optional[Mapping[str, Figures]], row: RosterRow) -> Optional[Mapping[str, int]]:
    return None if figures is None else disk_sizes(figures.get(row.domain.uuid, {}))


def fingerprints(hypervisor: Hypervisor, uuids: Iterable[str]) -> Dict[str, int]:
    """A number for what each of the domains with those UUIDs is defined as, by UUID; equal ones are alike.

    Of this process alone. Libvirt tells of many changes of a definition, and of some it tells nobody: of sizes that are
    set for the next start, of autostart, of a managed save that is thrown away. Raises `HostUnreachable`.
    """
    found = {}
    for row in hypervisor.roster(set(uuids)):
        try:
            found[row.domain.uuid] = _fingerprint(row, row.domain.xml(inactive=row.persistent))
        except HostUnreachable:
            raise
        except HostlerError:
            continue  # it has gone meanwhile, or can't be read: whoever looks at it says so
    return found


def _fingerprint(row: RosterRow, xml: str) -> int:
    return hash((xml, row.autostart, row.saved))
