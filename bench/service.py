# SPDX-License-Identifier: GPL-3.0-or-later
"""A real ``hostler serve`` as a process of its own, on loopback."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from bench.errors import BenchError

PASSWORD = "a benchmark's password"  # noqa: S105 - of a service that lives for a minute, on loopback
_LISTENING = re.compile(r"listening on (http://127\.0\.0\.1:\d+)")
_START_SECONDS = 60.0
_STOP_SECONDS = 60.0


class Service:
    """``hostler serve`` on a state folder, in a ``with`` block; its log goes to ``service.log`` there."""

    def __init__(self, state: Path, database_url: str = "", **settings: str) -> None:
        self.state = state
        self.url = ""
        self.start_seconds = 0.0
        """From the start of the process to the first answer."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("HOSTLER_")}
        self.environment = inherited | {
            "HOSTLER_STATE_DIR": str(state),
            "HOSTLER_ADMIN_PASSWORD": PASSWORD,
            "HOSTLER_CONFIG": "",
            **({"HOSTLER_DATABASE_URL": database_url} if database_url else {}),
            **{f"HOSTLER_{name.upper()}": value for name, value in settings.items()},
        }
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._start(port=0)
        return self

    def _start(self, port: int) -> None:
        began = time.perf_counter()
        with (self.state / "service.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "hostler", "serve", "--port", str(port)],
                env=self.environment,
                cwd=self.state,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        try:
            self.url = self._announced()
            with httpx.Client(base_url=self.url, trust_env=False, timeout=10) as client:
                client.get("/healthz").raise_for_status()
        except BaseException:
            self._end()
            raise
        self.start_seconds = time.perf_counter() - began

    def kill(self) -> None:
        """End the process there and then, as a crash would."""
        assert self._process is not None  # noqa: S101 - only in the block
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def start_again(self) -> None:
        """Start it at the same URL, after it was killed. Raises BenchError."""
        self._start(port=int(self.url.rpartition(":")[2]))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None  # noqa: S101 - only in the block
        return self._process.pid

    def command(self, *arguments: str) -> str:
        """Run ``hostler …`` on the same state, and answer what it printed. Raises BenchError."""
        return run_hostler(self.environment, *arguments)

    def token(self) -> str:
        """An API token of the administrator's, which may read and write."""
        return self.command("token", "create", "admin", "bench", "--scope", "read", "--scope", "write").split()[-1]

    def resident_mib(self) -> float:
        """The process's resident memory."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise BenchError("the service has ended")

    def _announced(self) -> str:
        assert self._process is not None  # noqa: S101 - called while it starts
        assert self._process.stdout is not None  # noqa: S101 - a pipe, as asked for
        deadline = time.monotonic() + _START_SECONDS
        for line in self._process.stdout:
            if match := _LISTENING.search(line):
                return match.group(1)
            if time.monotonic() > deadline:
                break
        raise BenchError(f"the service does not start; {self.state / 'service.log'} says why")

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def run_hostler(environment: dict[str, str], *arguments: str) -> str:
    """Run ``hostler …`` and answer its standard output. Raises BenchError."""
    done = subprocess.run(
        [sys.executable, "-m", "hostler", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"hostler {' '.join(arguments[:2])} failed: {done.stderr.strip()}")
    return done.stdout
