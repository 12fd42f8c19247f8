# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads while VMs change: what they lose to 50 changes of status a second."""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from bench import writer
from bench.errors import BenchError
from bench.figures import Figure
from bench.reads import LIST, SHOW
from bench.service import Service
from bench.workspace import Workspace
from bench.wrk import load
from lab.cache import REPOSITORY

SECONDS = 4.0
ROUNDS = 3
_KEPT = 0.8
_GROUP = "Reads beside 50 changes a second"


def reads_beside_writes(workspace: Workspace) -> tuple[list[Figure], list[str]]:
    """Rates with and without the changes, in turns."""
    alone: dict[str, list[float]] = {SHOW: [], LIST: []}
    beside: dict[str, list[float]] = {SHOW: [], LIST: []}
    state = workspace.fleet_state()
    written: list[float] = []
    with Service(state) as service:
        token = service.token()
        for number in range(ROUNDS):
            for path in (SHOW, LIST):
                alone[path].append(load(service.url, path, SECONDS, token, seed=number).per_second)
                with _changing(service, written):
                    beside[path].append(load(service.url, path, SECONDS, token, seed=number).per_second)
    figures = []
    for name, path in (("GET /api/vms/{id}", SHOW), ("GET /api/vms", LIST)):
        before, during = statistics.median(alone[path]), statistics.median(beside[path])
        figures.append(
            Figure(
                _GROUP,
                name,
                round(during),
                "requests/s",
                peer=round(before),
                peer_name="the same without changes",
                target=round(_KEPT * before),
                better="higher",
                target_says="four fifths of what it is without changes",
            )
        )
    rate = statistics.median(written)
    figures.append(
        Figure(
            "The changes beside the reads",
            "changes written",
            round(rate, 1),
            "changes/s",
            target=0.95 * writer.RATE,
            better="higher",
        )
    )
    says = (
        "The changes are made by the service's own code (a VM's status is set, with its event, in a transaction) in a "
        "process beside the service; on a machine of few cores it takes its share of them, too."
    )
    return figures, [says]


@contextlib.contextmanager
def _changing(service: Service, written: list[float]) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.writer"],
        cwd=REPOSITORY,
        env=service.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None  # noqa: S101 - a pipe, as asked for
        if process.stdout.readline().strip() != writer.READY:
            raise BenchError("the process that changes VMs does not start")
        time.sleep(0.2)
        yield
        said, _ = process.communicate("stop\n", timeout=30)
        written.append(float(said))
    finally:
        process.kill()
        process.wait()
