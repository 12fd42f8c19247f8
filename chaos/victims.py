# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be killed in the middle of an operation; each is started again, as whatever looks after it would do."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable

from bench.job_worker import JobWorker
from bench.service import Service
from chaos.crashes import playbooks_of
from chaos.operations import Clone, Operation, Snapshot
from lab.host import Host

_SHORTEST_ABSENCE, _LONGEST_ABSENCE = 0.05, 1.5

Victim = Callable[[Operation], bool]
"""Kills something; whether there was something to kill."""


class Victims:
    """By their names."""

    def __init__(self, service: Service, worker: JobWorker | None, host: Host, chance: random.Random) -> None:
        self._service = service
        self._worker = worker
        self._host = host
        self._chance = chance
        self.by_name: dict[str, Victim] = {
            "service": self._kill_service,
            "worker": self._kill_worker,
            "ansible-playbook": self._kill_playbook,
            "libvirtd": self._kill_libvirtd,
            "QEMU": self._kill_guest,
        }

    def _kill_service(self, _operation: Operation) -> bool:
        self._service.kill()
        self._pause()
        self._service.start_again()
        return True

    def _kill_worker(self, _operation: Operation) -> bool:
        if self._worker is None:
            return False
        self._worker.kill()
        self._pause()
        self._worker.start()
        return True

    def _kill_playbook(self, operation: Operation) -> bool:
        if isinstance(operation, Clone):
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                # as its terminal would; or as the kernel does that is short of memory, which leaves its module at work
                kill = self._chance.choice([os.killpg, os.kill])
                kill(operation.pid, signal.SIGKILL)
            return True
        running = playbooks_of(self._service.pid if self._worker is None else self._worker.pid)
        for number in running[:1]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        return bool(running)

    def _kill_libvirtd(self, _operation: Operation) -> bool:
        self._host.kill_libvirtd()
        self._pause()
        self._host.start_libvirtd()
        return True

    def _kill_guest(self, operation: Operation) -> bool:
        guest = operation.guest() if isinstance(operation, Snapshot) else None
        if guest is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(guest, signal.SIGKILL)
        return guest is not None

    def _pause(self) -> None:
        time.sleep(self._chance.uniform(_SHORTEST_ABSENCE, _LONGEST_ABSENCE))
