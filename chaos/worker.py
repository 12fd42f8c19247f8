# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody who does one thing after the other, at random, until the run is over."""

from __future__ import annotations

import random
import threading
from abc import ABC, abstractmethod
from collections import Counter


class Worker(ABC):
    """A thread that acts again and again; what it did is counted. What it can't handle ends the run."""

    def __init__(self, name: str, seed: int, shortest: float, longest: float) -> None:
        self.name = name
        self.random = random.Random(f"{name}-{seed}")  # noqa: S311  no secret
        self.did: Counter[str] = Counter()
        self.failed: BaseException | None = None
        self._pause = (shortest, longest)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @abstractmethod
    def act(self) -> None:
        """Do one thing."""

    def begin(self) -> None:
        """Begin to act."""
        self._thread.start()

    def stop(self) -> None:
        """Have it end after what it is at."""
        self._over.set()

    def join(self, seconds: float) -> None:
        """Wait for its end. Raises what ended it, and TimeoutError."""
        self._thread.join(seconds)
        if self.failed is not None:
            raise self.failed
        if self._thread.is_alive():
            raise TimeoutError(f"{self.name} does not end")

    def wait(self, seconds: float) -> bool:
        """Let time pass; whether the run is over."""
        return self._over.wait(seconds)

    def _run(self) -> None:
        try:
            while not self.wait(self.random.uniform(*self._pause)):
                self.act()
        except BaseException as error:  # noqa: BLE001  the run asks for it
            self.failed = error
