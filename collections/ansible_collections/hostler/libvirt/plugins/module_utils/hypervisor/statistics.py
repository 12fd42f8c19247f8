# SPDX-License-Identifier: GPL-3.0-or-later
"""The statistics of many domains in one call."""

from __future__ import annotations

from typing import AbstractSet, Any, Dict, Mapping

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import libvirt

Figures = Mapping[str, Any]
"""One domain's, named as `virConnectGetAllDomainStats` documents them: ``block.0.capacity`` …"""


def read_figures(connection: Any, uuids: AbstractSet[str], whole: bool, waits: bool) -> Dict[str, Figures]:
    """Figures of the domains with those UUIDs, by two calls; of those that have gone meanwhile there are none.

    Of disks only, or ``whole``: of processor, memory and cards, too. With ``waits`` false a domain whose QEMU is at
    work on something else is not waited for, and has fewer figures. A QEMU that hangs is waited for all the same by
    who asks it first: then this call hangs with it. Raises libvirt's error.
    """
    handles = [handle for handle in connection.listAllDomains() if handle.UUIDString() in uuids]
    if not handles:
        return {}
    groups = libvirt.VIR_DOMAIN_STATS_BLOCK
    if whole:
        groups |= (
            libvirt.VIR_DOMAIN_STATS_CPU_TOTAL | libvirt.VIR_DOMAIN_STATS_BALLOON | libvirt.VIR_DOMAIN_STATS_INTERFACE
        )
    flags = 0 if waits else libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
    return {handle.UUIDString(): figures for handle, figures in connection.domainListGetStats(handles, groups, flags)}
