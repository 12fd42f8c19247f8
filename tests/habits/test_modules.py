# SPDX-License-Identifier: GPL-3.0-or-later
"""Every module has what every module has: a place in the action group and the README, a page, examples, a target."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.collection.module_examples import examples_of, preparation_of

COLLECTION = Path("collections/ansible_collections/hostler/libvirt")


@pytest.fixture
def modules(repo: Path) -> set[str]:
    """The names of all modules."""
    return {file.stem for file in (repo / COLLECTION / "plugins/modules").glob("*.py")}


def test_the_action_group_has_every_module(repo: Path, modules: set[str]) -> None:
    runtime = yaml.safe_load((repo / COLLECTION / "meta/runtime.yml").read_text())

    assert sorted(modules) == runtime["action_groups"]["libvirt"]


def test_every_module_has_a_page_and_a_line_in_the_readme(repo: Path, modules: set[str]) -> None:
    readme = (repo / COLLECTION / "README.md").read_text()

    assert {name for name in modules if not (repo / f"docs/modules/{name}_module.rst").exists()} == set()
    assert {name for name in modules if f"module `hostler.libvirt.{name}`" not in readme} == set()


def test_ansible_test_runs_every_module(repo: Path, modules: set[str]) -> None:
    targets = {folder.name for folder in (repo / COLLECTION / "tests/integration/targets").iterdir()}

    assert targets == modules


def test_every_module_has_examples_that_can_be_run(repo: Path, modules: set[str]) -> None:
    """`tests/collection/test_examples.py` runs them, after what the module's preparation makes."""
    for module in modules:
        tasks = yaml.safe_load(examples_of(repo, module))
        assert tasks, f"{module} has no examples"
        assert all(task.get("name") for task in tasks), f"an example of {module} says not what it is for"
        assert any(f"hostler.libvirt.{module}" in task for task in tasks), f"no example of {module} uses it"
        assert preparation_of(module).exists(), f"nothing makes what the examples of {module} name"
