# SPDX-License-Identifier: GPL-3.0-or-later
"""One host's statistics: its readings, made into figures by the ids of its VMs."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

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


class HostStatistics:
    """What is known of one host's use."""

    def __init__(self, server_id: int, reading_seconds: int, history: History) -> None:
        self._server_id = server_id
        self._reading_seconds = reading_seconds
        self.history = history
        self.reader = PatientReader()
        self.usage: HostUsage | None = None
        """What the host said of itself last."""
        self.machines: dict[int, Usage] = {}
        """What its VMs that run had used at the last reading, by their ids."""
        self._read_at = 0.0
        self._ids: dict[str, int] = {}
        self._ids_at = float("-inf")

    async def read(self, host: HostConnection) -> None:
        """Take a reading; raises what `PatientReader.read` does."""
        reading = await self.reader.read(host)
        ids = await self._ids_of(reading.measured.machines)
        self.take(reading, ids, time.time())

    def take(self, reading: Reading, ids: Mapping[str, int], moment: float) -> None:
        """Make figures of a reading; of VMs that nobody knows yet they count among the host's only."""
        usage, machines = reading.measured
        seconds = reading.at - self._read_at
        known = {ids[uuid]: one for uuid, one in machines.items() if uuid in ids}
        figures = {identity: figures_of(one, self.machines.get(identity), seconds) for identity, one in known.items()}
        all_figures: dict[int, Figures] = {HOST: figures_of_host(usage, self.usage, figures.values()), **figures}
        self.history.add(Round.of(slot(moment, self._reading_seconds), all_figures, usage.pools))
        self.usage, self.machines, self._read_at = usage, known, reading.at

    async def _ids_of(self, uuids: Collection[str]) -> Mapping[str, int]:
        is_old = time.monotonic() - self._ids_at > _IDS_KNOWN_SECONDS
        if is_old or not self._ids.keys() >= set(uuids):
            self._ids = {row["uuid"]: row["id"] for row in await rows(_IDS, self._server_id)}
            self._ids_at = time.monotonic()
        return self._ids
