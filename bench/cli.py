# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``python -m bench``."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import FrameType

from bench import machine, results
from bench.beside_stopped import beside_stopped
from bench.collection import collection
from bench.comparison import comparison
from bench.create import create
from bench.direct import direct
from bench.errors import BenchError
from bench.figures import Figure, Result
from bench.follow import follow
from bench.guest_agent import guest_agent
from bench.image import image
from bench.inventory import inventory
from bench.jobs import jobs
from bench.memory import memory
from bench.monitor import monitor
from bench.reads import reads, reads_postgres
from bench.report import write_page
from bench.startup import startup
from bench.usage import usage
from bench.workspace import Workspace
from bench.writes import reads_beside_writes
from lab.errors import LabError

Benchmark = Callable[[Workspace], tuple[list[Figure], list[str]]]
BENCHMARKS: dict[str, Benchmark] = {
    "direct": direct,
    "create": create,
    "collection": collection,
    "inventory": inventory,
    "guest_agent": guest_agent,
    "image": image,
    "reads": reads,
    "writes": reads_beside_writes,
    "postgres": reads_postgres,
    "follow": follow,
    "comparison": comparison,
    "stopped": beside_stopped,
    "memory": memory,
    "monitor": monitor,
    "jobs": jobs,
    "startup": startup,
    "statistics": usage,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Take the benchmarks that are named, all without a name; exit code 1 if one could not be taken."""
    parser = argparse.ArgumentParser(prog="bench", description="How fast Hostler is on this machine.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(BENCHMARKS)} (default: all)")
    names = parser.parse_args(arguments).names or list(BENCHMARKS)
    if unknown := [name for name in names if name not in BENCHMARKS]:
        parser.error(f"there is no benchmark {', '.join(unknown)}")
    signal.signal(signal.SIGTERM, _interrupt)
    failed = False
    try:
        with Workspace() as workspace:
            for name in names:
                failed = not _take(name, workspace) or failed
    except KeyboardInterrupt:
        print("bench: interrupted; what was measured is kept", file=sys.stderr)
        return 1
    return int(failed)


def _take(name: str, workspace: Workspace) -> bool:
    """Take one, write its result and the page; whether that went well."""
    print(f"{name} …", flush=True)
    load, began = machine.load(), time.monotonic()
    taken_at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    try:
        figures, notes = BENCHMARKS[name](workspace)
    except (BenchError, LabError, OSError, subprocess.SubprocessError) as error:
        print(f"bench: {name} could not be taken: {error}", file=sys.stderr)
        return False
    results.save(Result(name, figures, taken_at, round(load, 2), notes, machine.facts()))
    write_page(results.load_all(list(BENCHMARKS)))
    for one in figures:
        says = {True: "met", False: "MISSED", None: ""}[one.met]
        beside = "" if one.peer is None else f"beside {one.peer:g} ({one.peer_name})"
        print(f"  {one.name:32} {one.value:>10g} {one.unit:12} {beside} {says}".rstrip(), flush=True)
    print(f"  ({time.monotonic() - began:.0f} s)", flush=True)
    return True


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
