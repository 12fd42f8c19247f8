# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading one host's figures without waiting for a guest of it that hangs."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.measure import Measured, measure
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from hostler.hosts.connection import HostConnection

PATIENCE_SECONDS = 4.0
"""How long a reading may take before it is left alone; of a host with hundreds of VMs it takes milliseconds."""
MOST_HANGING = 3
"""Readings of one host that may hang at once: each takes a thread, a connection and one of libvirtd's 20 workers."""


class TooSlow(Exception):
    """The host's figures did not come in time."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was measured, and when, by this machine's clock that never goes back."""

    measured: Measured
    at: float


@dataclass
class PatientReader:
    """One host's readings.

    A QEMU that hangs hangs the reading that asks it first, for as long as it hangs. It is busy with that one then, and
    the next reading passes it by (`VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT`). So one that hangs is left alone and
    another begun, up to a limit: with more QEMUs that hang than that the host has no figures until one of them ends.
    """

    patience: float = PATIENCE_SECONDS
    _hanging: set[asyncio.Future[Reading]] = field(default_factory=set)

    async def read(self, host: HostConnection) -> Reading:
        """Read the figures; raises `TooSlow`, and what `measure` does."""
        while len(self._hanging) < MOST_HANGING:
            begun = host.begin(_measure)
            self._hanging.add(begun)
            begun.add_done_callback(self._end)
            await asyncio.wait({begun}, timeout=self.patience)
            if begun.done():
                return begun.result()
        raise TooSlow

    @property
    def hanging(self) -> int:
        """Readings that have begun and not ended."""
        return len(self._hanging)

    def close(self) -> None:
        """Wait for nothing any more; what hangs ends by itself, or with the process."""
        for one in list(self._hanging):
            one.cancel()

    def _end(self, ended: asyncio.Future[Reading]) -> None:
        self._hanging.discard(ended)
        if not ended.cancelled():
            ended.exception()  # seen, also of one that nobody waits for


def _measure(hypervisor: Hypervisor) -> Reading:
    measured = measure(hypervisor)
    return Reading(measured, time.monotonic())
