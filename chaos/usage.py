# SPDX-License-Identifier: GPL-3.0-or-later
"""What a process uses, over time: memory, threads, file descriptors."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
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
    """Looks at a process every few seconds, whichever it is by then."""

    def __init__(self, pid: Callable[[], int], every: float = 2.0) -> None:
        super().__init__("usage", 0, every, every)
        self._pid = pid
        self._began = time.monotonic()
        self.seen: list[Use] = []

    def act(self) -> None:
        """Look once; at one that has just been killed there is nothing to see."""
        process = Path("/proc") / str(self._pid())
        with contextlib.suppress(OSError, KeyError):
            status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines() if ":" in line)
            self.seen.append(
                Use(
                    round(time.monotonic() - self._began, 1),
                    round(int(status["VmRSS"].split()[0]) / 1024, 1),
                    int(status["Threads"]),
                    sum(1 for _ in (process / "fd").iterdir()),
                )
            )
