# SPDX-License-Identifier: GPL-3.0-or-later
"""The repository's files: what is committed, and what would be by `git add --all`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def repo() -> Path:
    return REPO


@pytest.fixture(scope="session")
def files() -> list[Path]:
    """The files, relative to the repository; links are among them."""
    listed = subprocess.run(
        ["/usr/bin/git", "ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", "-z"],
        cwd=REPO,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    ).stdout
    paths = [Path(name) for name in listed.split("\0") if name]
    return [path for path in paths if (REPO / path).is_symlink() or (REPO / path).is_file()]


@pytest.fixture(scope="session")
def texts(files: list[Path]) -> dict[Path, str]:
    """The text of each file that is one; links and binary files are left out."""
    found = {}
    for path in files:
        if not (REPO / path).is_symlink():
            data = (REPO / path).read_bytes()
            if b"\0" not in data:
                found[path] = data.decode()
    return found
