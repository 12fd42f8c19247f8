# SPDX-License-Identifier: GPL-3.0-or-later
"""What of one host's readings is in memory: those that are not written down yet, or not rolled up."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from hostler.statistics.resolution import slot
from hostler.statistics.round import Round, rolled_up


@dataclass(frozen=True, slots=True)
class Page:
    """What is to be written down: a round, and over how many seconds it speaks."""

    resolution: int
    round: Round


class History:
    """One host's; it holds some five minutes, whatever happens."""

    def __init__(self, resolutions: Sequence[int], restored: Sequence[Round] = ()) -> None:
        self._finest, *self._coarser = resolutions
        self._rounds: deque[Round] = deque(restored)
        self._written = self._rounds[-1].at if self._rounds else -1
        self._rolled = dict.fromkeys(self._coarser, 0)

    @property
    def unwritten(self) -> list[Round]:
        """Readings that the database does not have yet."""
        return [one for one in self._rounds if one.at > self._written]

    def add(self, reading: Round) -> None:
        """Take a reading in; of two for one moment, as by a clock that was set back, the first stays."""
        if not self._rounds or reading.at > self._rounds[-1].at:
            self._rounds.append(reading)
        elif self._rounds[-1].at - reading.at > self._kept_back:
            self._rounds.clear()  # the clock was set back by more than a moment
            self._written, self._rolled = -1, dict.fromkeys(self._coarser, 0)
            self._rounds.append(reading)

    def pages(self, moment: float) -> list[Page]:
        """What is to be written down at that moment: new readings, and what those of times that are over came to."""
        rounds = list(self._rounds)  # at once: others may go on adding meanwhile, in another thread
        pages = [Page(self._finest, one) for one in rounds if one.at > self._written]
        for resolution in self._coarser:
            current = self._over_at(moment, resolution)
            by_slot: dict[int, list[Round]] = {}
            for one in rounds:
                if self._rolled[resolution] <= one.at < current:
                    by_slot.setdefault(slot(one.at, resolution), []).append(one)
            pages += [Page(resolution, rolled_up(at, several)) for at, several in by_slot.items()]
        return pages

    def written(self, pages: Sequence[Page], moment: float) -> None:
        """Those pages, which `pages` answered for that moment, are in the database: forget what is not needed."""
        for page in pages:
            if page.resolution == self._finest:
                self._written = max(self._written, page.round.at)
        for resolution in self._coarser:
            self._rolled[resolution] = self._over_at(moment, resolution)
        self.forget(moment)

    def forget(self, moment: float) -> None:
        """Let go of what is older than can be needed, whether it was written down or not."""
        oldest = slot(moment, self._kept_back) - self._kept_back
        while len(self._rounds) > 1 and self._rounds[0].at < oldest:
            self._rounds.popleft()

    def _over_at(self, moment: float, resolution: int) -> int:
        """Before when all times of that resolution are over, with the readings that began in them."""
        return slot(moment - self._finest, resolution)

    @property
    def _kept_back(self) -> int:
        return max((self._finest, *self._coarser))


def restored_from(moment: float, resolutions: Sequence[int]) -> int:
    """Since when the readings are needed from which a history goes on after a restart, in seconds since 1970."""
    return slot(moment, resolutions[-1]) - resolutions[-1]
