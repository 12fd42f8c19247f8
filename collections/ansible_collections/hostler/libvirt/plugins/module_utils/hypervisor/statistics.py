# SPDX-License-Identifier: GPL-3.0-or-later
"""The statistics of many domains in one call."""

from __future__ import annotations

from typing import AbstractSet, Any, Dict, List, Mapping, NamedTuple, Sequence

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import libvirt
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.roster import handles_of

Figures = Mapping[str, Any]
"""One domain's, named as `virConnectGetAllDomainStats` documents them: ``block.0.capacity`` …"""


class ActiveFigures(NamedTuple):
    """Those of one domain that runs. ``run`` is libvirt's number of this run, with which its counters began."""

    uuid: str
    run: int
    figures: Figures


def read_figures(connection: Any, uuids: AbstractSet[str], whole: bool, waits: bool) -> Dict[str, Figures]:
    """What `read_figures_of` says of the domains with those UUIDs, by one call more."""
    return read_figures_of(connection, handles_of(connection, uuids), whole, waits)


def read_figures_of(connection: Any, handles: Sequence[Any], whole: bool, waits: bool) -> Dict[str, Figures]:
    """Figures of those domains, by one call; of those that have gone meanwhile there are none.

    Of disks only, or ``whole``: of processor, memory and cards, too. With ``waits`` false a domain whose QEMU is at
    work on something else is not waited for, and has fewer figures. A QEMU that hangs is waited for all the same by
    who asks it first: then this call hangs with it. Raises libvirt's error.
    """
    if not handles:
        return {}
    groups = libvirt.VIR_DOMAIN_STATS_BLOCK
    if whole:
        groups |= (
            libvirt.VIR_DOMAIN_STATS_CPU_TOTAL | libvirt.VIR_DOMAIN_STATS_BALLOON | libvirt.VIR_DOMAIN_STATS_INTERFACE
        )
    flags = 0 if waits else libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
    return {handle.UUIDString(): figures for handle, figures in connection.domainListGetStats(handles, groups, flags)}


def read_active_figures(connection: Any) -> List[ActiveFigures]:
    """Figures of every domain that runs, by one call: of processors, memory, disks and cards.

    A domain whose QEMU is at work on something else is not waited for, and has fewer figures; one that hangs may hang
    this call, as `read_figures` says. Libvirt's test driver tells none. Raises libvirt's error.
    """
    groups = (
        libvirt.VIR_DOMAIN_STATS_CPU_TOTAL
        | libvirt.VIR_DOMAIN_STATS_BALLOON
        | libvirt.VIR_DOMAIN_STATS_VCPU
        | libvirt.VIR_DOMAIN_STATS_INTERFACE
        | libvirt.VIR_DOMAIN_STATS_BLOCK
    )
    flags = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE | libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
    rows = connection.getAllDomainStats(groups, flags)
    return [ActiveFigures(handle.UUIDString(), handle.ID(), figures) for handle, figures in rows]
