# SPDX-License-Identifier: GPL-3.0-or-later
"""What a process uses, over time: memory, threads, file descriptors."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

from chaos.worker import Worker


class Use(NamedTuple):
    """At one moment, in seconds since the beginning."""

    at: float
    memory_mib: float
    threads: int
    descriptors: int


class UsageOf(Worker):
    """Looks at a process every few seconds."""

    def __init__(self, pid: int, every: float = 2.0) -> None:
        super().__init__("usage", 0, every, every)
        self._process = Path("/proc") / str(pid)
        self._began = time.monotonic()
        self.seen: list[Use] = []

    def act(self) -> None:
        """Look once."""
        status = dict(line.split(":", 1) for line in (self._process / "status").read_text().splitlines() if ":" in line)
        self.seen.append(
            Use(
                round(time.monotonic() - self._began, 1),
                round(int(status["VmRSS"].split()[0]) / 1024, 1),
                int(status["Threads"]),
                sum(1 for _ in (self._process / "fd").iterdir()),
            )
        )
