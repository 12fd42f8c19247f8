# SPDX-License-Identifier: GPL-3.0-or-later
"""A run of moments in docs/reliability.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

MOMENTS = "moments"
_SAYS = """Of each row, operations are asked for one after the other, and something is killed at a moment between their
beginning and the time that they usually take; then it is started again. A clone is a playbook that an operator runs,
and runs again where it did not come to its end. After each it is looked at whether the job ended, whether what it says
is true, whether anything is left of what is not there, and whether each domain is shown as it is: at the latest within
a minute, for a host that was away is looked at when it is back. On PostgreSQL
the service leaves the jobs to a worker."""


def moments_part(_name: str, title: str, data: dict[str, Any]) -> str:
    """Its part of the page."""
    outcome = data["outcome"]
    rows = [
        f"| {operation} | {victim} | {sum(ends.values())} | {ends.get('succeeded', 0)} | {_others(ends)} |"
        for what, ends in outcome["ends"].items()
        for operation, victim in [what.split(", ")]
    ]
    number = sum(sum(ends.values()) for ends in outcome["ends"].values())
    usual = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in outcome["usual"].items())
    wrong = outcome["wrong"]
    says = "nothing" if not wrong else f"**{len(wrong)}**"
    parts = [
        f"## {title}",
        _SAYS,
        "\n".join(["| operation | killed | times | succeeded | else |", "| --- | --- | --- | --- | --- |", *rows]),
        f"{number} moments in {outcome['seconds'] / 60:.1f} minutes. Undisturbed they take: {usual}. Wrong: {says}.",
        problems_of(wrong),
        taken_of(data),
    ]
    return "\n\n".join(part for part in parts if part)


def problems_of(wrong: Sequence[str]) -> str:
    """The first of what was wrong."""
    return "\n".join(f"- {one}" for one in wrong[:20])


def taken_of(data: dict[str, Any]) -> str:
    """When a run was made, and on what."""
    facts = ", ".join(f"{name} {value}" for name, value in data["facts"].items())
    return f"<sub>Taken {data['taken_at']}, seed {data['plan']['seed']}. {facts}.</sub>"


def _others(ends: dict[str, int]) -> str:
    return ", ".join(f"{count} {end}" for end, count in ends.items() if end != "succeeded") or "none"
