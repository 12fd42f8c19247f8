# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/benchmarks.md, from all results that there are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench import plots
from bench.figures import Figure, Result
from bench.results import FOLDER, write

PAGE = FOLDER.with_suffix(".md")
_INTRODUCTION = """# Benchmarks

`make bench` measures Hostler on this machine and writes this page; `make bench ARGS="reads memory"` measures these
again and leaves the rest. What a figure is compared with (a bare libvirt call, an empty FastAPI route …) is measured in
the same run, in turns with it: trust the ratios more than the figures. A target is the limit that a figure has to keep;
one that is missed says so. The numbers are in [benchmarks/](benchmarks/) as JSON, too.
"""


def write_page(results: Sequence[Result], page: Path = PAGE) -> None:
    """Write the page and its plots."""
    parts = [_INTRODUCTION]
    for result in results:
        for group, figures in _by_group(result.figures).items():
            name = f"{_slug(group)}.svg"
            write(page.with_suffix("") / name, plots.svg(group, figures))
            parts += [f"## {group}", f"![{_alt(group, figures)}]({page.stem}/{name})", _table(figures)]
        parts += [*result.notes, _taken(result)]
    write(page, "\n\n".join(part.rstrip() for part in parts) + "\n")


def _by_group(figures: Sequence[Figure]) -> dict[str, list[Figure]]:
    groups: dict[str, list[Figure]] = {}
    for figure in figures:
        # bars of another unit would have no common scale
        groups.setdefault(figure.group, []).append(figure)
    return groups


def _table(figures: Sequence[Figure]) -> str:
    with_peer = any(figure.peer is not None for figure in figures)
    with_target = any(figure.target is not None for figure in figures)
    heads = ["", "measured", *(["beside it"] if with_peer else []), *(["target", "met"] if with_target else [])]
    rows = [heads, ["---"] * len(heads)]
    for one in figures:
        cells = [one.name, _shown(one.value, one.unit)]
        if with_peer:
            cells.append("" if one.peer is None else f"{_shown(one.peer, one.unit)} ({one.peer_name})")
        if with_target:
            limit = (
                "" if one.target is None else f"{'≤' if one.better == 'lower' else '≥'} {_shown(one.target, one.unit)}"
            )
            cells += [limit, {True: "yes", False: "**no**", None: ""}[one.met]]
        rows.append(cells)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def _shown(value: float, unit: str) -> str:
    return f"{value:,g} {unit}" if value < 1000 or value % 1 else f"{value:,.0f} {unit}"


def _alt(group: str, figures: Sequence[Figure]) -> str:
    return f"{group}: " + "; ".join(f"{one.name} {_shown(one.value, one.unit)}" for one in figures)


def _slug(group: str) -> str:
    return "-".join("".join(letter if letter.isalnum() else " " for letter in group.lower()).split())


def _taken(result: Result) -> str:
    facts = ", ".join(f"{name} {value}" for name, value in result.facts.items())
    return f"<sub>Taken {result.taken_at}, load average before {result.load:.1f}. {facts}.</sub>"
