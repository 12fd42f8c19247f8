# SPDX-License-Identifier: GPL-3.0-or-later
"""The VMs of a host, as far as can be told of all at once."""

from __future__ import annotations

from typing import Dict

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.roster import RosterRow, probe_name


def present_rows(hypervisor: Hypervisor) -> Dict[str, RosterRow]:
    """The host's VMs by UUID, without guests that only try whether KVM works: those are nobody's."""
    rows = ((row.domain.uuid, row) for row in hypervisor.roster())
    return {uuid: row for uuid, row in rows if row.domain.name != probe_name(uuid)}
