# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong with the service itself: it is killed, or a playbook of its is, or its PostgreSQL is away."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from bench.job_worker import JobWorker
from bench.postgres import Postgres
from bench.service import Service
from chaos.worker import Worker

_LONGEST_ABSENCE = 3.0


class Crashes(Worker):
    """Kills the service, its worker, a playbook or PostgreSQL, at moments that nobody chooses."""

    def __init__(self, service: Service, worker: JobWorker | None, postgres: Postgres | None, seed: int) -> None:
        super().__init__("crashes", seed, 1.0, 8.0)
        self._service = service
        self._worker = worker
        self._postgres = postgres

    def act(self) -> None:
        """Kill something; the service is started again after a while."""
        if self._postgres is not None and self.random.random() < 0.3:
            self._restart(self._postgres)
            return
        if self.random.random() < 0.5:
            playbooks = playbooks_of(self._service.pid)
            if self._worker is not None:
                playbooks += playbooks_of(self._worker.pid)
            if playbooks:
                with contextlib.suppress(ProcessLookupError):  # it has just ended
                    os.kill(self.random.choice(playbooks), signal.SIGKILL)
                self.did["ansible-playbook killed"] += 1
                return
        if self._worker is not None and self.random.random() < 0.5:
            self._worker.kill()
            self.wait(self.random.uniform(0, _LONGEST_ABSENCE))
            self._worker.start()
            self.did["worker killed"] += 1
            return
        self._service.kill()
        self.wait(self.random.uniform(0, _LONGEST_ABSENCE))
        self._service.start_again()
        self.did["service killed"] += 1

    def _restart(self, postgres: Postgres) -> None:
        postgres.stop(self.random.choice([signal.SIGINT, signal.SIGQUIT]))  # fast, and as a crash
        self.wait(self.random.uniform(0, _LONGEST_ABSENCE))
        postgres.start()
        self.did["PostgreSQL restarted"] += 1


def playbooks_of(service: int) -> list[int]:
    """The processes of playbooks that a service runs, however deep below it."""
    parents: dict[int, int] = {}
    named: set[int] = set()
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal():
            continue
        with contextlib.suppress(OSError):  # it has ended
            number = int(process.name)
            parents[number] = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            if b"ansible-playbook" in (process / "cmdline").read_bytes():
                named.add(number)
    return [number for number in named if service in _above(number, parents)]


def _above(number: int, parents: dict[int, int]) -> set[int]:
    found: set[int] = set()
    while (number := parents.get(number, 0)) and number not in found:
        found.add(number)
    return found
