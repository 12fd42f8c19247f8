# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong with a host: its libvirtd is killed or hangs, its guests crash, the way to it is cut or silent."""

from __future__ import annotations

import os
import signal

from chaos.worker import Worker
from lab.gate import Gate
from lab.host import Host

_LONGEST_ABSENCE, _LONGEST_SILENCE = 5.0, 20.0


class Faults(Worker):
    """Does one host harm, one thing at a time."""

    def __init__(self, host: Host, gate: Gate, seed: int) -> None:
        super().__init__(f"faults-{host.name}", seed, 2.0, 8.0)
        self._host = host
        self._gate = gate

    def act(self) -> None:
        """Break something, and mend it after a while."""
        fault = self.random.choice(
            [self._kill_libvirtd, self._stop_libvirtd, self._kill_a_guest, self._kill_a_guest, self._cut, self._freeze]
        )
        self.did[fault()] += 1

    def mend(self) -> None:
        """Make all whole again."""
        self._gate.calm()
        self._host.start_libvirtd()

    def _kill_libvirtd(self) -> str:
        self._host.kill_libvirtd()
        self.wait(self.random.uniform(0, _LONGEST_ABSENCE))
        self._host.start_libvirtd()
        return "libvirtd killed"

    def _stop_libvirtd(self) -> str:
        self._host.pause_libvirtd()
        self.wait(self.random.uniform(0, _LONGEST_SILENCE))
        self._host.continue_libvirtd()
        return "libvirtd stopped"

    def _kill_a_guest(self) -> str:
        guests = [one for one in self._host.processes() if any(word.startswith("guest=") for word in one.command)]
        if not guests:
            return "no guest to kill"
        os.kill(self.random.choice(guests).pid, signal.SIGKILL)
        return "QEMU killed"

    def _cut(self) -> str:
        self._gate.cut()
        return "connections cut"

    def _freeze(self) -> str:
        self._gate.freeze()
        self.wait(self.random.uniform(0, _LONGEST_SILENCE))
        self._gate.go_on()
        return "connections silent"
