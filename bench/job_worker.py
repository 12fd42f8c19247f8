# SPDX-License-Identifier: GPL-3.0-or-later
"""A real ``hostler worker`` as a process of its own, beside a service on PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.errors import BenchError
from bench.service import Service

_STOP_SECONDS = 60.0


class JobWorker:
    """``hostler worker`` with a service's settings, in a ``with`` block; its log goes to the file ``log``."""

    def __init__(self, service: Service, log: Path) -> None:
        self._environment = {name: value for name, value in service.environment.items() if name != "HOSTLER_TAKES_JOBS"}
        self._log = log
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def start(self) -> None:
        """Start it, also after it was killed. Raises BenchError."""
        with self._log.open("ab") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "hostler", "worker"],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        assert self._process.stdout is not None  # noqa: S101 - a pipe, as asked for
        if not self._process.stdout.readline():
            self._process.wait()
            raise BenchError(f"a worker does not start; {self._log} says why")

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None  # noqa: S101 - only in the block
        return self._process.pid

    def kill(self) -> None:
        """End it there and then, as a crash would."""
        assert self._process is not None  # noqa: S101 - only in the block
        self._process.kill()
        self._process.communicate()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None  # noqa: S101 - only in the block
        self._process.terminate()
        try:
            self._process.communicate(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
