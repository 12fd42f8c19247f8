# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/reliability.md, from the results of all runs that there are."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any

from bench import machine
from bench.results import write
from chaos import plot
from chaos.moments import MomentsOutcome, MomentsPlan
from chaos.moments_report import MOMENTS, moments_part, problems_of, taken_of
from chaos.run import Outcome, Plan
from chaos.usage import Use
from lab.cache import REPOSITORY

FOLDER = REPOSITORY / "docs" / "reliability"
PAGE = FOLDER.with_suffix(".md")
_INTRODUCTION = """# Reliability

`make chaos` has several hosts fail for some minutes while everybody works on them, and kills the service, its playbooks
and its PostgreSQL, then compares each host with the service, VM by VM, and all events with both; `make chaos ARGS=soak`
does the same without faults, for longer; `make chaos ARGS=moments` does one thing after the other, and kills something
in the middle of each. Each writes its part of this page. Callers ask for single writes, queued ones
and actions on many VMs; whoever gets no answer asks again under the same Idempotency-Key.

A run is called clean if, once all is whole again, nothing differs: every domain is shown as it is and nothing else is;
every VM that a caller was told it has is there, once, and none that it was told is gone; no volume is left of a VM that
is not there; no job is unfinished, and each that was accepted ended; every event came once, in order, and says
something new; and every request was answered: with success, with 404, 409 or 503, that the VM was in the wrong state,
that the service was killed in the middle of it (`cut_off`), or with what libvirt itself failed at, for a QEMU that is
killed while it starts is a start that failed.

Memory rises while all that is used for the first time is loaded and SQLite's three connections fill their caches, 2 MB
each; after that it should not, however long everybody works.
"""
_TITLES = {
    "chaos": "Hosts that fail",
    "chaos-postgres": "Hosts that fail, on PostgreSQL",
    MOMENTS: "Killed in the middle",
    f"{MOMENTS}-postgres": "Killed in the middle, on PostgreSQL",
    "soak": "A soak",
}


def save(name: str, plan: Plan | MomentsPlan, outcome: Outcome | MomentsOutcome) -> None:
    """Write a run's result, its plot and the page."""
    data = {
        "plan": asdict(plan),
        "outcome": {one.name: _plain(getattr(outcome, one.name)) for one in fields(outcome)},
        "taken_at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "facts": machine.facts(),
    }
    write(FOLDER / f"{name}.json", json.dumps(data, ensure_ascii=False) + "\n")
    parts = [_INTRODUCTION]
    for one, title in _TITLES.items():
        file = FOLDER / f"{one}.json"
        if file.exists():
            part = moments_part if one.startswith(MOMENTS) else _part
            parts.append(part(one, title, json.loads(file.read_text())))
    write(PAGE, "\n\n".join(part.rstrip() for part in parts) + "\n")


def _plain(value: Any) -> Any:
    # what dataclasses make of a Counter counts pairs
    return {name: _plain(one) for name, one in value.items()} if isinstance(value, dict) else value


def _part(name: str, title: str, data: dict[str, Any]) -> str:
    plan, outcome = data["plan"], data["outcome"]
    used = [Use(*one) for one in outcome["used"]]
    write(FOLDER / f"{name}.svg", plot.svg(f"{title}: what the service used", used))
    wrong = outcome["wrong"]
    rows = [
        ("minutes", f"{outcome['seconds'] / 60:.1f}"),
        ("hosts", plan["hosts"]),
        ("faults", _counted(outcome["faults"])),
        ("by virsh", _counted(outcome["did"])),
        ("answers to callers", _counted(outcome["answers"])),
        ("the longest that one waited", f"{outcome['slowest']:.1f} s"),
        ("events, and connections over which they were heard", f"{outcome['events']:,}, {outcome['connections']}"),
        ("VMs at the end", outcome["vms"]),
        ("until all was shown as it is", f"{outcome['settled_after']:.1f} s"),
        ("wrong", f"**{len(wrong)}**" if wrong else "nothing"),
        *(_grown(used) if used else ()),
    ]
    table = "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)])
    parts = [
        f"## {title}",
        f"![{title}: memory, threads and file descriptors](reliability/{name}.svg)",
        table,
        problems_of(wrong),
        taken_of(data),
    ]
    return "\n\n".join(part for part in parts if part)


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in Counter(counts).most_common()) or "none"


def _grown(used: Sequence[Use]) -> list[tuple[str, str]]:
    """What the service used in the second quarter of the run, and in the last: what grows without end shows there."""
    quarter = max(len(used) // 4, 1)
    early, late = used[quarter : 2 * quarter] or used, used[-quarter:]

    def medians(name: str) -> str:
        return " and ".join(f"{statistics.median(getattr(one, name) for one in part):g}" for part in (early, late))

    return [
        ("memory in the second and in the last quarter", f"{medians('memory_mib')} MiB"),
        ("threads", medians("threads")),
        ("file descriptors", medians("descriptors")),
    ]
