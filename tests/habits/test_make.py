# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that the documents name exist, and `make` alone lists them all."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

# In a line of a code block, or between backticks.
COMMAND = re.compile(r"(?:^\s*(?:\$ )?|`|&& )make((?: [a-z][a-z-]*(?![\w=]))+)", re.MULTILINE)
HABITS = {
    "setup",
    "demo",
    "demo-down",
    "lab",
    "lab-down",
    "test",
    "test-all",
    "check",
    "collection",
    "constraints",
    "clean",
}


def code(markdown: str) -> str:
    """Answer what is code in a document: its blocks, and what stands between backticks."""
    blocks = re.findall(r"^```.*?\n(.*?)^```", markdown, re.MULTILINE | re.DOTALL)
    rest = re.sub(r"^```.*?^```", "", markdown, flags=re.MULTILINE | re.DOTALL)
    return "\n".join([*blocks, *re.findall(r"`[^`\n]+`", rest)])


def listed(repo: Path) -> set[str]:
    """Answer the targets that plain `make` lists."""
    shown = subprocess.run(["/usr/bin/make"], cwd=repo, capture_output=True, check=True, text=True).stdout
    return set(re.findall(r"^  make ([a-z-]+) +\S", shown, re.MULTILINE))


def test_plain_make_lists_every_target(repo: Path) -> None:
    defined = set(re.findall(r"^([a-z-]+):", (repo / "Makefile").read_text(), re.MULTILINE))

    assert listed(repo) == defined
    assert listed(repo) >= HABITS


def test_every_target_that_a_document_names_exists(texts: dict[Path, str], repo: Path) -> None:
    named = {
        (str(path), target)
        for path, text in texts.items()
        if path.suffix == ".md"
        for targets in COMMAND.findall(code(text))
        for target in targets.split()
    }

    assert {target for path, target in named if path == "CONTRIBUTING.md"} >= {"setup", "test", "check", "clean"}
    assert {(path, target) for path, target in named if target not in listed(repo)} == set()


def test_the_documents_are_read_right() -> None:
    text = "Now make sure.\n\n```\n$ make demo\nmake lab HOSTS=3\ncd x && make test\n```\nThen `make check clean`.\n"

    assert COMMAND.findall(code(text)) == [" demo", " lab", " test", " check clean"]
