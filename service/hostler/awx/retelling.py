# SPDX-License-Identifier: GPL-3.0-or-later
"""Telling a job's events from their beginning, but for what another process has written down before it ended."""

from __future__ import annotations

from dataclasses import dataclass, field

from hostler.runner import LogLine, PlaybookEvent, StepFinished, StepStarted


@dataclass(slots=True)
class Retelling:
    """How many of each are written down already: they were written in the order of the events."""

    lines: int = 0
    begun: int = 0
    ended: int = 0
    _open: set[str] = field(default_factory=set, init=False)

    def is_told(self, event: PlaybookEvent) -> bool:
        """Whether this one, of all in their order, is written down."""
        if isinstance(event, LogLine):
            self.lines -= 1
            return self.lines >= 0
        if isinstance(event, StepStarted):
            self._open.add(event.name)
            self.begun -= 1
            return self.begun >= 0
        assert isinstance(event, StepFinished)  # noqa: S101 - the last of three
        if event.name not in self._open:  # whose beginning is written down with its end
            self.begun -= 1
        self._open.discard(event.name)
        self.ended -= 1
        return self.ended >= 0
