# SPDX-License-Identifier: GPL-3.0-or-later
"""Every module has what every module has: a place in the action group and the README, a page, examples, a target.

Other plugins have as much of it as their kind can.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.collection.module_examples import examples_of, preparation_of

COLLECTION = Path("collections/ansible_collections/hostler/libvirt")


KINDS = ("connection", "inventory")


@pytest.fixture
def modules(repo: Path) -> set[str]:
    """The names of all modules."""
    return {file.stem for file in (repo / COLLECTION / "plugins/modules").glob("*.py")}


@pytest.fixture
def others(repo: Path) -> set[tuple[str, str]]:
    """Kind and name of all plugins that are no modules."""
    files = (file for kind in KINDS for file in (repo / COLLECTION / "plugins" / kind).glob("*.py"))
    return {(file.parent.name, file.stem) for file in files}


def test_the_action_group_has_every_module(repo: Path, modules: set[str]) -> None:
    runtime = yaml.safe_load((repo / COLLECTION / "meta/runtime.yml").read_text())

    assert sorted(modules) == runtime["action_groups"]["libvirt"]


def test_every_module_has_a_page_and_a_line_in_the_readme(repo: Path, modules: set[str]) -> None:
    readme = (repo / COLLECTION / "README.md").read_text()

    assert {name for name in modules if not (repo / f"docs/modules/{name}_module.rst").exists()} == set()
    assert {name for name in modules if f"module `hostler.libvirt.{name}`" not in readme} == set()


def test_every_other_plugin_has_a_page_and_a_line_in_the_readme_and_examples(
    repo: Path, others: set[tuple[str, str]]
) -> None:
    readme = (repo / COLLECTION / "README.md").read_text()

    assert others
    for kind, name in others:
        assert (repo / f"docs/modules/{name}_{kind}.rst").exists()
        assert f"{kind} plugin `hostler.libvirt.{name}`" in readme
        assert list(yaml.safe_load_all(examples_of(repo, name, kind)))


def test_ansible_test_runs_every_plugin(repo: Path, modules: set[str], others: set[tuple[str, str]]) -> None:
    targets = {folder.name for folder in (repo / COLLECTION / "tests/integration/targets").iterdir()}

    assert targets == modules | {f"{kind}_{name}" for kind, name in others}


def test_every_module_has_examples_that_can_be_run(repo: Path, modules: set[str]) -> None:
    """`tests/collection/test_examples.py` runs them, after what the module's preparation makes."""
    for module in modules:
        tasks = yaml.safe_load(examples_of(repo, module))
        assert tasks, f"{module} has no examples"
        assert all(task.get("name") for task in tasks), f"an example of {module} says not what it is for"
        assert any(f"hostler.libvirt.{module}" in task for task in tasks), f"no example of {module} uses it"
        assert preparation_of(module).exists(), f"nothing makes what the examples of {module} name"
