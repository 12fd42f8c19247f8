# SPDX-License-Identifier: GPL-3.0-or-later
"""How soon the command line helps, and the service answers."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench.figures import Figure
from bench.service import Service
from bench.workspace import Workspace

ROUNDS = 7
_GROUP = "Start-up"


def startup(workspace: Workspace) -> tuple[list[Figure], list[str]]:
    """Medians; the service starts on a database that it has made before."""
    command = str(Path(sys.executable).with_name("hostler"))
    state = workspace.state()
    with Service(state):
        pass
    helps, answers, bare = [], [], []
    for _ in range(ROUNDS):
        bare.append(_seconds(sys.executable, "-c", "pass"))
        helps.append(_seconds(command, "--help"))
        with Service(state) as service:
            answers.append(service.start_seconds)
    python = round(statistics.median(bare), 3)
    return [
        Figure(
            _GROUP, name, round(statistics.median(values), 3), "s", python, "Python that does nothing", target,
            target_says=f"{target:g} s",
        )
        for name, values, target in (("hostler --help", helps, 0.3), ("hostler serve: first answer", answers, 1.5))
    ], [f"Medians of {ROUNDS}."]  # fmt: skip


def _seconds(*command: str) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began
