# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls to a host's storage, which a server that has gone or a sick disk may hang, so that whoever makes them doesn't.

While a pool is being started, refreshed or built, libvirt lets nobody else look at it.
"""

from __future__ import annotations

from typing import Callable, TypeVar

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import GuestTimeout, OperationFailed
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.side_connection import SideConnection

Result = TypeVar("Result")

LOOK_SECONDS = 15.0
"""How long something may take that is only looked at."""


def patiently(hypervisor: Hypervisor, doing: str, seconds: float, work: Callable[[Hypervisor], Result]) -> Result:
    """What ``work`` answers or raises, on a connection of its own; `OperationFailed` if that takes longer."""
    with SideConnection(hypervisor) as side:
        try:
            return side.call(seconds, work)
        except GuestTimeout:
            reason = f"no answer within {seconds:g} s; libvirt may still be at it"
            raise OperationFailed(f"Failed to {doing}: {reason}") from None
