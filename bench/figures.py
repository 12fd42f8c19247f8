# SPDX-License-Identifier: GPL-3.0-or-later
"""What a benchmark finds: figures, each with what it is held against."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self


@dataclass(frozen=True)
class Figure:
    """One measured value, beside a peer of the same run, and its target where it has one."""

    group: str
    """What it is drawn together with: one plot a group, all in one unit."""
    name: str
    value: float
    unit: str
    """``requests/s``, ``ms``, ``s``, ``MiB`` …"""
    peer: float | None = None
    """What the value is compared with, measured in the same run, in the same unit."""
    peer_name: str = ""
    target: float | None = None
    """The limit, in the figure's unit; None for what is only recorded."""
    better: Literal["lower", "higher"] = "lower"
    target_says: str = ""
    """How the limit follows, e.g. ``1.10 times the bare call + 10 ms``."""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.target is None:
            return None
        return self.value <= self.target if self.better == "lower" else self.value >= self.target


@dataclass(frozen=True)
class Result:
    """What one run of one benchmark found."""

    benchmark: str
    figures: list[Figure]
    taken_at: str
    """UTC, ISO 8601."""
    load: float
    """The machine's load average over a minute when it began: what else was at work."""
    notes: list[str] = field(default_factory=list)
    """Sentences that a reader of the figures has to know."""
    facts: dict[str, str] = field(default_factory=dict)
    """The machine and the versions."""

    def as_data(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Self:
        """Read what `as_data` gave."""
        return cls(**{**data, "figures": [Figure(**one) for one in data["figures"]]})
