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
    """One host's; it holds some ten minutes, whatever happens."""

    def __init__(self, resolutions: Sequence[int], restored: Sequence[Round] = ()) -> None:
        self._finest, *self._coarser = resolutions
        self._rounds: deque[Round] = deque(restored)
        self._written = self._rounds[-1].at if self._rounds else -1
        self._rolled_before = dict.fromkeys(self._coarser, 0)
        self._rolled: list[Page] = []

    @property
    def unwritten(self) -> list[Round]:
        """Readings that the database does not have yet."""
        return [one for one in self._rounds if one.at > self._written]

    @property
    def is_settled(self) -> bool:
        """Whether all that it holds is in the database, by itself and as part of what its time came to."""
        newest = self._rounds[-1].at if self._rounds else -1
        return newest <= self._written and not self._rolled and all(newest < at for at in self._rolled_before.values())

    def add(self, reading: Round) -> None:
        """Take a reading in; of two for one moment, as by a clock that was set back, the first stays."""
        if not self._rounds or reading.at > self._rounds[-1].at:
            self._rounds.append(reading)
        elif self._rounds[-1].at - reading.at > self._coarsest:  # set back by more than a moment
            self._rounds = deque([reading])
            self._written, self._rolled_before = -1, dict.fromkeys(self._coarser, 0)

    def roll_up(self, moment: float) -> None:
        """Make one of the readings of each time that is over at that moment."""
        for resolution in self._coarser:
            over = slot(moment - self._finest, resolution)  # with the readings that began in it
            by_slot: dict[int, list[Round]] = {}
            for one in self._rounds:
                if self._rolled_before[resolution] <= one.at < over:
                    by_slot.setdefault(slot(one.at, resolution), []).append(one)
            self._rolled += [Page(resolution, rolled_up(at, several)) for at, several in by_slot.items()]
            self._rolled_before[resolution] = over

    def pages(self, moment: float) -> list[Page]:
        """What is to be written down at that moment: new readings, and what those of times that are over came to."""
        self.roll_up(moment)
        return [*(Page(self._finest, one) for one in self.unwritten), *self._rolled]

    def written(self, pages: Sequence[Page]) -> None:
        """Those pages are in the database."""
        for page in pages:
            if page.resolution == self._finest:
                self._written = max(self._written, page.round.at)
        self._rolled = [page for page in self._rolled if page not in pages]

    def forget(self, moment: float) -> None:
        """Let go of what is older than can be needed, whether it was written down or not."""
        oldest = slot(moment, self._coarsest) - self._coarsest
        while self._rounds and self._rounds[0].at < oldest:
            self._rounds.popleft()
        self._rolled = [page for page in self._rolled if page.round.at >= oldest]

    @property
    def _coarsest(self) -> int:
        return self._coarser[-1] if self._coarser else self._finest


def restored_from(moment: float, resolutions: Sequence[int]) -> int:
    """Since when the readings are needed from which a history goes on after a restart, in seconds since 1970."""
    return slot(moment, resolutions[-1]) - resolutions[-1]
