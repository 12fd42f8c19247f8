# SPDX-License-Identifier: GPL-3.0-or-later
"""One host's statistics: its readings, made into figures by the ids of its VMs."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.pool import PoolSpace
from ansible_collections.hostler.libvirt.plugins.module_utils.usage import HostUsage, Usage
from hostler.database import rows
from hostler.hosts.connection import HostConnection
from hostler.statistics.figures import Figures, figures_of, figures_of_host
from hostler.statistics.history import History
from hostler.statistics.patient import PatientReader, Reading
from hostler.statistics.resolution import slot
from hostler.statistics.round import HOST, Round

_IDS = "SELECT uuid, id FROM vm WHERE server_id = ?"
_IDS_KNOWN_SECONDS = 60.0
"""A VM's id is its own for ever, but another may come with the UUID of one that is gone."""


_STALE_READINGS = 4
"""Readings after which the newest is not called the present any more."""


@dataclass(frozen=True, slots=True)
class Present:
    """One host's newest reading."""

    at: float
    """When it was taken, seconds since 1970."""
    usage: HostUsage
    """What the host said of itself."""
    machines: Mapping[int, Usage]
    """What those VMs that run and are known had used so far, by their ids."""
    figures: Mapping[int, Figures]
    """What they used since the reading before, and with `HOST` what the host did."""


@dataclass(frozen=True, slots=True)
class Newest:
    """What of a host's newest reading is shown, whoever has taken it."""

    at: float
    """When it was taken, seconds since 1970."""
    figures: Mapping[int, Figures]
    """Of its VMs by their ids, and with `HOST` its own."""
    pools: Mapping[str, PoolSpace]

    @classmethod
    def of(cls, reading: Round) -> Newest:
        """Of one that was written down."""
        return cls(reading.at, {one: Figures(*reading.figures(one)) for one in reading.ids}, reading.pools)


def oldest_present(reading_seconds: int) -> int:
    """Since when a reading that was written down is called the present, in seconds since 1970."""
    return int(time.time()) - _STALE_READINGS * reading_seconds


class HostStatistics:
    """What is known of one host's use."""

    def __init__(self, server_id: int, reading_seconds: int, history: History) -> None:
        self._server_id = server_id
        self._reading_seconds = reading_seconds
        self.history = history
        self.reader = PatientReader()
        self._present: Present | None = None
        self._read_at = 0.0
        self._ids: dict[str, int] = {}
        self._ids_at = float("-inf")

    def now(self) -> Present | None:
        """The newest reading, None if there is none or it is an old one."""
        present = self._present
        if present is None or time.time() - present.at > _STALE_READINGS * self._reading_seconds:
            return None
        return present

    async def read(self, host: HostConnection) -> None:
        """Take a reading; raises what `PatientReader.read` does."""
        reading = await self.reader.read(host)
        ids = await self._ids_of(reading.measured.machines)
        moment = time.time()
        self.take(reading, ids, moment)
        # here, where hosts take turns, and not when all are written down: of thousands of VMs it takes a while
        self.history.roll_up(moment)

    def take(self, reading: Reading, ids: Mapping[str, int], moment: float) -> None:
        """Make figures of a reading; VMs that nobody knows yet are left out."""
        usage, by_uuid = reading.measured
        seconds = reading.at - self._read_at
        # what was used while nobody could look is not what is used now
        before = self._present if seconds <= _STALE_READINGS * self._reading_seconds else None
        had_used: Mapping[int, Usage] = {} if before is None else before.machines
        machines = {ids[uuid]: one for uuid, one in by_uuid.items() if uuid in ids}
        figures = {identity: figures_of(one, had_used.get(identity), seconds) for identity, one in machines.items()}
        figures[HOST] = figures_of_host(usage, None if before is None else before.usage, list(figures.values()))
        self.history.add(Round.of(slot(moment, self._reading_seconds), figures, usage.pools))
        self._present, self._read_at = Present(moment, usage, machines, figures), reading.at

    async def _ids_of(self, uuids: Collection[str]) -> Mapping[str, int]:
        is_old = time.monotonic() - self._ids_at > _IDS_KNOWN_SECONDS
        if is_old or not self._ids.keys() >= set(uuids):
            self._ids = {row["uuid"]: row["id"] for row in await rows(_IDS, self._server_id)}
            self._ids_at = time.monotonic()
        return self._ids
