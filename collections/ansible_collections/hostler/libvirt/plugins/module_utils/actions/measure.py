# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading what a host and all of its VMs that run have used so far, for whoever reads it again and again."""

from __future__ import annotations

from typing import Dict, NamedTuple

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    HostUnreachable,
    Unsupported,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.host import cpu_times, memory_kib
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.pool import PoolSpace
from ansible_collections.hostler.libvirt.plugins.module_utils.usage import HostUsage, Usage, usage_of, used_of_host


class Measured(NamedTuple):
    """A host's, and each VM's by UUID."""

    host: HostUsage
    machines: Dict[str, Usage]


def measure(hypervisor: Hypervisor) -> Measured:
    """Read it by four calls and one for each active storage pool, however many VMs there are.

    A QEMU that hangs may hang this: make it where you can leave it alone. Raises `HostUnreachable`.
    """
    memory = memory_kib(hypervisor)
    host = HostUsage(cpu_times(hypervisor), memory.get("total"), used_of_host(memory), _pools(hypervisor))
    return Measured(host, {one.uuid: usage_of(one.run, one.figures) for one in hypervisor.active_figures()})


def _pools(hypervisor: Hypervisor) -> Dict[str, PoolSpace]:
    try:
        pools = hypervisor.pools()
    except Unsupported:
        return {}
    found: Dict[str, PoolSpace] = {}
    for pool in pools:
        try:
            found[pool.name] = pool.space()
        except HostUnreachable:
            raise
        except HostlerError:
            continue  # it went meanwhile
    return found
