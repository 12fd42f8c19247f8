# SPDX-License-Identifier: GPL-3.0-or-later
"""A private PostgreSQL, as Debian installs it but for its socket: in a folder of its own, no TCP."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from bench.errors import BenchError

_START_SECONDS = 30.0


class Postgres:
    """A server with an empty database, in a ``with`` block. It writes to disk as safely as it does by default."""

    def __init__(self) -> None:
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
        if not programs:
            raise BenchError("PostgreSQL's programs are not installed: make setup")
        self._programs = programs[-1].parent
        # it refuses to run as root, and as another user it can't enter just any folder
        self._user = "nobody" if os.geteuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="hostler-bench-postgres-"))
        if self._user is not None:
            os.chown(self._folder, pwd.getpwnam(self._user).pw_uid, -1)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        data = str(self._folder / "data")
        try:
            subprocess.run(
                [self._programs / "initdb", "-D", data, "-U", "hostler", "-A", "trust", "-E", "UTF8", "--no-sync"],
                check=True,
                capture_output=True,
                user=self._user,
                cwd=self._folder,
            )
            self.start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def start(self) -> None:
        """Start it, and wait until it takes connections. Raises BenchError."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(self._programs / "postgres", "-D", self._folder / "data", "-k", self._folder),
                    *("-c", "listen_addresses="),
                ],
                user=self._user,
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )
        self._await()

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Have it end by a signal; SIGINT is a fast shutdown."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None

    @property
    def url(self) -> str:
        """The URL of its database."""
        return f"postgres://hostler@/postgres?host={self._folder}"

    def _await(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=5).close()
                return
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    raise BenchError(f"PostgreSQL does not start: {error}") from error
                time.sleep(0.1)

    def _end(self) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
