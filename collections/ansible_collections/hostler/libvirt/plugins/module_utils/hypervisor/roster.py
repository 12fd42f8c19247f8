# SPDX-License-Identifier: GPL-3.0-or-later
"""All domains of a host in as many calls, however many they are."""

from __future__ import annotations

from typing import AbstractSet, Any, List, NamedTuple, Optional, Set

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import libvirt
from ansible_collections.hostler.libvirt.plugins.module_utils.status import SHUTOFF, status_of

_OFF = -1  # the number of a domain that doesn't run; it came with the row, and asking for it costs no call


class RosterRow(NamedTuple):
    """One domain; ``state`` and ``reason`` are libvirt's numbers, ``saved`` says that its memory lies on disk."""

    domain: Domain
    state: int
    reason: int
    active: bool  # QEMU runs for it (paused counts)
    autostart: bool
    persistent: bool
    saved: bool

    @property
    def status(self) -> str:
        """Our word for its state; of one that is being created, too, "stopped": only its definition tells."""
        return status_of(self.state, self.reason, self.saved)


def read_roster(connection: Any, uuids: Optional[AbstractSet[str]] = None) -> List[RosterRow]:
    """The domains of that libvirt connection, by four calls; by five those with these UUIDs that are there.

    Raises libvirt's error.
    """
    rows = _states(connection, uuids)
    autostart = _uuids(connection, libvirt.VIR_CONNECT_LIST_DOMAINS_AUTOSTART)
    # these rather than the persistent ones, which are nearly all of them
    transient = _uuids(connection, libvirt.VIR_CONNECT_LIST_DOMAINS_TRANSIENT)
    saved = _uuids(connection, libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE)
    roster = []
    for handle, stats in rows:
        domain = Domain(handle)
        roster.append(
            RosterRow(
                domain,
                stats.get("state.state", 0),
                stats.get("state.reason", 0),
                handle.ID() != _OFF,
                domain.uuid in autostart,
                domain.uuid not in transient,
                domain.uuid in saved,
            )
        )
    return roster


def roster_row(domain: Domain) -> RosterRow:
    """The same of one domain that was just looked up, by few calls. Raises our errors."""
    state, reason = domain.state_and_reason()
    persistent = domain.is_persistent()
    return RosterRow(
        domain,
        state,
        reason,
        domain.handle.ID() != _OFF,
        persistent and domain.autostart(),
        persistent,
        state == SHUTOFF and domain.has_managed_save(),
    )


def handles_of(connection: Any, uuids: AbstractSet[str]) -> List[Any]:
    """Libvirt's own domains with those UUIDs, of those that are there; by one call. Raises libvirt's error."""
    return [handle for handle in connection.listAllDomains() if handle.UUIDString() in uuids]


def probe_name(identity: str) -> str:
    """The name of the guest with that UUID that tries KVM: by it others can tell that it is no VM of anybody's."""
    return f"hostler-probe-{identity[:8]}"


def _states(connection: Any, uuids: Optional[AbstractSet[str]]) -> Any:
    # of all that libvirt tells by the group, the state alone needs nothing of a QEMU that may hang
    group = libvirt.VIR_DOMAIN_STATS_STATE
    if uuids is None:
        return connection.getAllDomainStats(group, 0)
    handles = handles_of(connection, uuids)
    return connection.domainListGetStats(handles, group, 0) if handles else []


def _uuids(connection: Any, which: int) -> Set[str]:
    return {handle.UUIDString() for handle in connection.listAllDomains(which)}
