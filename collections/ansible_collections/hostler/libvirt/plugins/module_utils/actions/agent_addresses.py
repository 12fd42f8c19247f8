# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that guests' agents tell, asked one after the other for so many seconds in all."""

from __future__ import annotations

import time
from typing import List

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import GuestTimeout
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Address
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.side_connection import SideConnection

_AGENT_SECONDS = 3
# beyond the agent's own time: libvirt may have to wait for somebody else's question to it
_AGENT_SLACK_SECONDS = 2


class AgentAddresses:
    """The agents of a host's guests; ``timeout`` seconds from now none of them is asked any more."""

    def __init__(self, side: SideConnection, timeout: float) -> None:
        self._side = side
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout

    def of(self, uuid: str) -> List[Address]:
        """What the agent of that domain says. Raises `GuestTimeout`, and what `Domain.ask_addresses` does."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise GuestTimeout(f"it was not asked, for other guests took all of {self._timeout:g} s")
        patience = max(1, min(_AGENT_SECONDS, int(left)))
        return self._side.call(
            patience + _AGENT_SLACK_SECONDS,
            lambda other: other.domain(uuid).ask_addresses("agent", patience=patience),
        )
