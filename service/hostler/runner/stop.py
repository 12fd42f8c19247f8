# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a run is to end before its time, and why."""

from __future__ import annotations

import threading
import time

from hostler.runner.events import PlaybookStatus


class Stop:
    """Set from anywhere, read by the thread of the run."""

    def __init__(self, timeout: float | None) -> None:
        self._canceled = threading.Event()
        self._timeout = timeout
        self._deadline: float | None = None

    def cancel(self) -> None:
        """Ask the run to end now."""
        self._canceled.set()

    def start_clock(self) -> None:
        """Count the timeout (seconds) from here on."""
        if self._timeout is not None:
            self._deadline = time.monotonic() + self._timeout

    def reason(self) -> PlaybookStatus | None:
        """Answer canceled or timeout, or None while the run may go on."""
        if self._canceled.is_set():
            return PlaybookStatus.CANCELED
        if self._deadline is not None and time.monotonic() > self._deadline:
            return PlaybookStatus.TIMEOUT
        return None
