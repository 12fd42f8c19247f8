# SPDX-License-Identifier: GPL-3.0-or-later
"""The guide from community.libvirt, read: its sections' tables, and its examples."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

_GUIDE = Path(__file__).resolve().parents[2] / "docs/from-community-libvirt.md"
_OURS = "hostler.libvirt."
_SPAN = re.compile(r"`([^`]+)`")


class Row(NamedTuple):
    """One line of a table: what is in code in its first cell, and in its others."""

    theirs: list[str]
    ours: list[str]


def sections() -> dict[str, str]:
    """The text of each section by its heading."""
    parts = re.split(r"(?m)^## (.+)\n", _GUIDE.read_text())
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def rows(section: str) -> list[Row]:
    """All rows of a section's tables."""
    cells = [line.strip("|\n").split("|") for line in section.splitlines() if line.startswith("| ")]
    return [Row(_SPAN.findall(first), _SPAN.findall(" ".join(others))) for first, *others in cells if "`" in first]


def counterparts() -> list[str]:
    """All that is in code right of a first column, and in prose."""
    prose = (line for text in sections().values() for line in text.splitlines() if not line.startswith("|"))
    in_tables = [one for text in sections().values() for row in rows(text) for one in row.ours]
    return in_tables + [one for line in prose for one in _SPAN.findall(line)]


def examples() -> list[Any]:
    """What is in the blocks of YAML, in order: lists of tasks or of plays, and configurations of inventory plugins."""
    return [yaml.safe_load(block) for block in re.findall(r"(?ms)^```yaml\n(.+?)^```$", _GUIDE.read_text())]


def tasks() -> list[dict[str, Any]]:
    """The examples that are tasks, of either collection."""
    return [task for block in examples() if isinstance(block, list) for task in block if "hosts" not in task]


def used(task: Any) -> Iterator[tuple[str, str, str]]:
    """Module, option (``a.b`` for one within another) and value, of each that is given by a task or in its blocks."""
    if isinstance(task, list):
        for one in task:
            yield from used(one)
    elif isinstance(task, dict):
        for key, value in task.items():
            if key.startswith(_OURS):
                yield from ((key.removeprefix(_OURS), *given) for given in _given(value, ""))
            else:
                yield from used(value)


def _given(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """The paths of all that is in a task's options, each with its value as text; a list's are those of its entries."""
    if path:
        yield path, str(value).lower() if isinstance(value, bool) else str(value)
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _given(inner, f"{path}.{key}".removeprefix("."))
    elif isinstance(value, list):
        for inner in value:
            yield from _given(inner, path)
