# SPDX-License-Identifier: GPL-3.0-or-later
"""The service as a process of its own, with a real socket: ``hostler serve``."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from hostler.settings import Settings

Serve = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def serve(settings: Settings) -> Iterator[Serve]:
    """Start ``hostler serve`` on the test's state directory and a free port."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("HOSTLER_")}
        process = subprocess.Popen(
            [sys.executable, "-m", "hostler", "serve", *(arguments or ("--port", "0"))],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=inherited | {"HOSTLER_STATE_DIR": str(settings.state_dir)} | environment,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def read_until(process: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    """Return the first match in the lines on standard output; fails if they end before."""
    assert process.stdout is not None
    for line in process.stdout:
        if match := re.search(pattern, line):
            return match
    assert process.stderr is not None
    raise AssertionError(f"{pattern!r} was not shown; standard error: {process.stderr.read()}")
