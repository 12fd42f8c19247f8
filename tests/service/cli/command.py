# SPDX-License-Identifier: GPL-3.0-or-later
"""A command of ``hostler`` as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from hostler.settings import Settings

Hostler = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def hostler(settings: Settings) -> Hostler:
    """Run ``hostler`` on the test's state directory: ``hostler("user", "list", stdin="...")``."""

    def run(*arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("HOSTLER_")}
        return subprocess.run(
            [sys.executable, "-m", "hostler", *arguments],
            input=stdin,
            text=True,
            capture_output=True,
            check=False,
            env=inherited | {"HOSTLER_STATE_DIR": str(settings.state_dir)} | environment,
        )

    return run


def succeeded(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stderr
    return result.stdout
