# SPDX-License-Identifier: GPL-3.0-or-later
"""The definitions of many domains: libvirt tells them one by one, so several connections ask at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Dict, NamedTuple, Optional, Sequence

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import DomainDefinition
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import read_domain
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    HostUnreachable,
    MachineNotFound,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.roster import RosterRow

_MANY = 200  # fewer are told before another connection is open
_CONNECTIONS = 3


class Definitions(NamedTuple):
    """A domain as it starts next (None of a transient one) and as it runs (None of one that is off)."""

    defined: Optional[DomainDefinition] = None
    running: Optional[DomainDefinition] = None
    error: Optional[HostlerError] = None


def read_definitions(hypervisor: Hypervisor, rows: Sequence[RosterRow], whole: bool) -> Dict[str, Definitions]:
    """Those of the domains of ``rows`` by UUID; without ``whole`` only as they run. Raises `HostUnreachable`."""
    rows = [row for row in rows if row.active or (whole and row.persistent)]
    if len(rows) < _MANY or hypervisor.is_test_driver:
        return {row.domain.uuid: _definitions(row, row.domain, whole) for row in rows}
    shares = [rows[first::_CONNECTIONS] for first in range(_CONNECTIONS)]
    found: Dict[str, Definitions] = {}
    with ThreadPoolExecutor(_CONNECTIONS) as readers:
        for share in readers.map(lambda share: _read_apart(hypervisor, share, whole), shares):
            found.update(share)
    return found


def _read_apart(hypervisor: Hypervisor, rows: Sequence[RosterRow], whole: bool) -> Dict[str, Definitions]:
    with hypervisor.another() as other:
        domains = {domain.uuid: domain for domain in other.domains()}
        return {row.domain.uuid: _definitions(row, domains.get(row.domain.uuid), whole) for row in rows}


def _definitions(row: RosterRow, domain: Optional[Domain], whole: bool) -> Definitions:
    if domain is None:
        return Definitions(error=MachineNotFound(f"VM '{row.domain.name}' not found on this host"))
    try:
        running = read_domain(domain.xml()) if row.active else None
        defined = read_domain(domain.xml(inactive=True)) if whole and row.persistent else None
    except HostUnreachable:
        raise
    except HostlerError as error:
        return Definitions(error=error)
    return Definitions(defined, running)
