# SPDX-License-Identifier: GPL-3.0-or-later
"""What may stand in the repository's files, and what has to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

# Put together here, so that this file doesn't hold them itself.
REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("registry", "yarnpkg", "com"),
        ("deb", "debian", "org"),
        ("security", "debian", "org"),
        ("ftp", "debian", "org"),
        ("archive", "ubuntu", "com"),
        ("proxy", "golang", "org"),
        ("galaxy", "ansible", "com"),
        ("registry", "hub", "docker", "com"),
        ("docker", "io"),
    )
]
# Folders that exist on somebody's machine only: a home folder, and the place where this repository was cloned to.
MACHINE_PATH = re.compile(
    "|".join(("/" + "home/(?!user/)[a-z][a-z0-9_-]*/", "/" + "work/", "/" + "opt/(?:wheels|pypi)"))
)
SOURCES = {".py", ".sh", ".js", ".css", ".html"}
# REUSE-IgnoreStart
SPDX = "SPDX-License-Identifier: GPL-3.0-or-later"
# REUSE-IgnoreEnd


@pytest.mark.parametrize("registry", REGISTRIES)
def test_no_file_names_a_package_registry(texts: dict[Path, str], registry: str) -> None:
    named = re.compile(rf"(?<![\w-]){re.escape(registry)}(?![\w-])")

    assert [str(path) for path, text in texts.items() if named.search(text)] == []


def test_no_file_names_a_folder_of_somebody_s_machine(texts: dict[Path, str], repo: Path) -> None:
    found = {str(path): match.group() for path, text in texts.items() if (match := MACHINE_PATH.search(text))}

    assert found == {}
    if len(repo.parts) > 2:  # a clone in /src, say, has a name that may well mean something else
        assert [str(path) for path, text in texts.items() if f"{repo}/" in text] == []


def test_every_source_file_says_its_licence_at_the_top(texts: dict[Path, str]) -> None:
    sources = {
        path: text
        for path, text in texts.items()
        if text and (path.suffix in SOURCES or path.name == "Makefile" or text.startswith("#!"))
    }

    assert len(sources) > 50
    assert [str(path) for path, text in sources.items() if SPDX not in "\n".join(text.splitlines()[:5])] == []


def test_what_is_run_can_be_run(files: list[Path], texts: dict[Path, str], repo: Path) -> None:
    scripts = [path for path in files if path.parts[0] in {"scripts", ".ci"}]

    assert Path(".ci/run") in scripts
    for path in scripts:
        assert texts[path].startswith("#!/usr/bin/env bash\n"), path
        assert (repo / path).stat().st_mode & 0o111 == 0o111, path


def test_the_pins_are_versions_and_nothing_else(texts: dict[Path, str]) -> None:
    pins = [line for line in texts[Path("constraints.txt")].splitlines() if not line.startswith("#")]

    assert len(pins) > 50
    assert [pin for pin in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+_-]+", pin)] == []
