# SPDX-License-Identifier: GPL-3.0-or-later
"""One service that watches 200 hosts with 100,000 VMs, beside a process that only holds connections to them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.errors import BenchError
from bench.figures import Figure
from bench.many_hosts import EACH, HOSTS, make_hosts
from bench.service import Service
from bench.workspace import Workspace

_HOLDER = Path(__file__).with_name("holder.py")
_BARE_WATCH = Path(__file__).with_name("bare_watch.py")
_MORE_MIB, _AT_REST_PERCENT, _TIMES = 300.0, 5.0, 2.0
_LOOKED_SECONDS = 1500.0
_SETTLE_SECONDS = 45.0
_REST_SECONDS = 120.0
_GROUP = f"{HOSTS} hosts with {HOSTS * EACH:,} VMs"
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def monitor(workspace: Workspace) -> tuple[list[Figure], list[str]]:
    """Until all that is known is true, then at rest."""
    state = workspace.state()
    nodes = workspace.folder / "monitored"
    nodes.mkdir()
    workspace.folder.chmod(0o711)
    uris = asyncio.run(make_hosts(state, nodes, workspace.host(), enabled=True))
    bare_seconds, bare_mib = _held(uris)
    bare_at_rest = _watched_barely(uris)
    began_at = datetime.now(UTC)
    with Service(state) as service:
        seconds = _true_after(began_at, state, service)
        _wait_for(state, "host.watched", service)
        time.sleep(_SETTLE_SECONDS)
        before, began = _processor_seconds(service.pid), time.monotonic()
        time.sleep(_REST_SECONDS)
        at_rest = 100 * (_processor_seconds(service.pid) - before) / (time.monotonic() - began)
        mib = service.resident_mib()
    figures = [
        Figure(
            f"{_GROUP}: first truth", "until each VM's state is known", round(seconds, 1), "s", round(bare_seconds, 1),
            "opening, and one bulk read each", round(_TIMES * bare_seconds, 1), target_says="twice these reads",
        ),
        Figure(
            f"{_GROUP}: memory", "watched", round(mib), "MiB", round(bare_mib), "a process with the connections alone",
            round(bare_mib + _MORE_MIB), target_says="300 MiB more than that process",
        ),
        Figure(
            f"{_GROUP}: at rest", "processor", round(at_rest, 1), "% of a core", round(bare_at_rest, 1),
            "libvirt's calls alone, at the same pace", _AT_REST_PERCENT, target_says="5 % of a core",
        ),
    ]  # fmt: skip
    says = (
        f"{HOSTS} hosts with {EACH} VMs each, all off, which a libvirtd serves by libvirt's test driver; each new "
        "connection has it read the host's file anew. The time of the service begins with its process. At rest: "
        f"{_REST_SECONDS:g} s, with the half-minute comparisons, each seventeenth of a host with a fifth of "
        "its definitions, and the statistics."
    )
    return figures, [says]


def _held(uris: Sequence[str]) -> tuple[float, float]:
    """Seconds and MiB of the process that only holds them."""
    with subprocess.Popen(
        [sys.executable, str(_HOLDER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None  # noqa: S101 - pipes, as asked for
        process.stdin.write(json.dumps(list(uris)) + "\n")
        process.stdin.flush()
        seconds = float(process.stdout.readline())
        status = Path(f"/proc/{process.pid}/status").read_text()
        process.stdin.close()
    (resident,) = re.findall(r"VmRSS:\s+(\d+)", status)
    return seconds, int(resident) / 1024


def _watched_barely(uris: Sequence[str]) -> float:
    """Percent of a core that the calls alone take which a service at rest makes."""
    done = subprocess.run(
        [sys.executable, str(_BARE_WATCH)],
        input=json.dumps(list(uris)) + "\n",
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(done.stdout)


def _true_after(began: datetime, state: Path, service: Service) -> float:
    """Seconds until the last host is in sight."""
    lines = [line for line in _wait_for(state, "host.in_sight", service) if "host.in_sight" in line]
    return (datetime.fromisoformat(_ANSI.sub("", lines[HOSTS - 1]).split()[0]) - began).total_seconds()


def _wait_for(state: Path, event: str, service: Service) -> list[str]:
    """The log, once it has the event of each host."""
    deadline = time.monotonic() + _LOOKED_SECONDS
    while True:
        text = (state / "service.log").read_text()
        if text.count(event) >= HOSTS:
            return text.splitlines()
        if time.monotonic() > deadline:
            raise BenchError(f"{text.count(event)} of {HOSTS} hosts only: {event}; {service.resident_mib():.0f} MiB")
        time.sleep(0.5)


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
