# SPDX-License-Identifier: GPL-3.0-or-later
"""All that is no module has a line in the collection's README, and roles say what their variables are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

COLLECTION = Path(__file__).resolve().parents[2] / "collections/ansible_collections/hostler/libvirt"
ROLES = sorted(folder.name for folder in (COLLECTION / "roles").iterdir())
CONTENT = {
    "role": ROLES,
    "playbook": [file.stem for file in (COLLECTION / "playbooks").glob("*.yml")],
    "event source": [file.stem for file in (COLLECTION / "extensions/eda/plugins/event_source").glob("*.py")],
    "rulebook": [file.stem for file in (COLLECTION / "extensions/eda/rulebooks").glob("*.yml")],
}


def read(role: str, file: str) -> Any:
    return yaml.safe_load((COLLECTION / "roles" / role / file).read_text())


@pytest.mark.parametrize("kind", CONTENT)
def test_everything_has_a_line_in_the_readme(kind: str) -> None:
    readme = (COLLECTION / "README.md").read_text()

    assert CONTENT[kind]
    assert [name for name in CONTENT[kind] if f"{kind} `hostler.libvirt.{name}`" not in readme] == []


@pytest.mark.parametrize("role", ROLES)
def test_a_role_s_defaults_are_the_documented_ones(role: str) -> None:
    options = read(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"]

    assert read(role, "defaults/main.yml") == {
        name: option["default"] for name, option in options.items() if "default" in option
    }
    assert all(name.startswith(f"{role}_") for name in options)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_a_molecule_scenario_that_make_molecule_runs_and_a_page(role: str) -> None:
    script = (COLLECTION.parents[3] / "scripts/molecule").read_text()

    assert (COLLECTION / "extensions/molecule" / role / "molecule.yml").exists()
    assert any(role in line.split() for line in script.splitlines() if "set --" in line)
    assert (COLLECTION.parents[3] / f"docs/modules/{role}_role.rst").exists()
