# SPDX-License-Identifier: GPL-3.0-or-later
"""What is installed is whole: the documentation page's files are fetched by a build, checked, and never committed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

FETCHED = Path("service/hostler/documentation/swagger-ui")
UNREACHABLE = "http://127.0.0.1:9"


def test_nothing_that_is_fetched_is_committed(files: list[Path]) -> None:
    assert [str(path) for path in files if FETCHED in path.parents or path.name.startswith("swagger-ui")] == []


def test_this_tree_was_built(repo: Path) -> None:
    assert (repo / FETCHED / "swagger-ui-bundle.js").stat().st_size > 1_000_000


@pytest.fixture
def source(repo: Path, files: list[Path], tmp_path: Path) -> Path:
    """The repository's files, as a clone has them."""
    folder = tmp_path / "source"
    for path in files:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(repo / path, folder / path, follow_symlinks=False)
    return folder


def build(source: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(source / "dist"), str(source)],
        env=os.environ | environment,
        capture_output=True,
        check=False,
        text=True,
    )


@pytest.mark.slow
def test_a_build_fetches_the_page_s_files_with_their_licence(source: Path, tmp_path: Path) -> None:
    built = build(source)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = (source / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        page = archive.read("hostler/documentation/page.html")

    shipped = {name.removeprefix("hostler/documentation/swagger-ui/") for name in names if "/swagger-ui/" in name}
    assert shipped == {
        "LICENSE",
        "NOTICE",
        "favicon-32x32.png",
        "origin.json",
        "swagger-ui-bundle.js",
        "swagger-ui-bundle.js.LICENSE.txt",
        "swagger-ui.css",
    }
    assert b"$version" in page
    assert "ansible_collections/hostler/libvirt/playbooks/vm_create.yml" in names
    assert not any(name.endswith(("hatch_build.py", ".map")) for name in names)

    again = build(source, npm_config_registry=UNREACHABLE, npm_config_cache=str(tmp_path / "empty"))
    assert again.returncode == 0, "a second build fetched what was there"


@pytest.mark.slow
def test_a_build_that_can_t_reach_npm_says_so_and_leaves_nothing_half_done(source: Path, tmp_path: Path) -> None:
    failed = build(
        source,
        npm_config_registry=UNREACHABLE,
        npm_config_cache=str(tmp_path / "empty"),
        npm_config_fetch_retries="0",
    )

    assert failed.returncode != 0
    assert "npm could not fetch swagger-ui-dist@" in failed.stdout + failed.stderr
    assert list((source / FETCHED).parent.glob("*swagger-ui*")) == []


@pytest.mark.slow
def test_a_build_refuses_what_was_not_pinned(source: Path) -> None:
    project = source / "pyproject.toml"
    project.write_text(project.read_text().replace('integrity = "sha512-', 'integrity = "sha512-AAAA'))

    failed = build(source)

    assert failed.returncode != 0
    assert "is not the one that pyproject.toml pins" in failed.stdout + failed.stderr
    assert list((source / FETCHED).parent.glob("*swagger-ui*")) == []
