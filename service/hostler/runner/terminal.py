# SPDX-License-Identifier: GPL-3.0-or-later
"""The terminal that ansible-runner gives to each run, without the tenth of a second that it waits at the end.

pexpect sleeps when a terminal is closed, so that the kernel can tell of the process's end. ansible-runner closes it
after the process has ended, and has no setting for the pause.
"""

from __future__ import annotations

import pexpect
from ansible_runner import runner


class Terminal(pexpect.spawn):  # type: ignore[misc]
    """A terminal that is closed at once if its process has ended."""

    def close(self, force: bool = True) -> None:
        """Close it, and end a process that still runs."""
        if not self.isalive():
            self.ptyproc.delayafterclose = 0.0
        super().close(force)


def use() -> None:
    """Have ansible-runner make its terminals so."""
    runner.pexpect.spawn = Terminal
