# SPDX-License-Identifier: GPL-3.0-or-later
"""The results, one JSON file a benchmark: a run of one leaves those of the others as they are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from bench.figures import Result
from lab.cache import REPOSITORY

FOLDER = REPOSITORY / "docs" / "benchmarks"


def save(result: Result, folder: Path = FOLDER) -> None:
    """Write a result in the place of the one before, whole or not at all."""
    write(folder / f"{result.benchmark}.json", json.dumps(result.as_data(), indent=1, ensure_ascii=False) + "\n")


def load_all(names: Sequence[str], folder: Path = FOLDER) -> list[Result]:
    """The results that are there, in the order of the names."""
    files = [folder / f"{name}.json" for name in names]
    return [Result.from_data(json.loads(file.read_text())) for file in files if file.exists()]


def write(path: Path, text: str) -> None:
    """Put the text into the file at once: whoever is interrupted leaves the file of before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text)
    beside.replace(path)
