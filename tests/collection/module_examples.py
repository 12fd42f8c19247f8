# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples in the plugins' documentation, and what has to be there for them."""

import ast
from pathlib import Path

_PLUGINS = Path("collections/ansible_collections/hostler/libvirt/plugins")
_PREPARATIONS = Path(__file__).parent / "examples"


def modules(repo: Path) -> list[str]:
    """The names of all modules of the collection."""
    return sorted(file.stem for file in (repo / _PLUGINS / "modules").glob("*.py"))


def examples_of(repo: Path, name: str, kind: str = "modules") -> str:
    """The plugin's EXAMPLES as they stand: YAML, a module's a list of tasks; empty where it has none."""
    for statement in ast.parse((repo / _PLUGINS / kind / f"{name}.py").read_text()).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="EXAMPLES")], value=ast.Constant(value=str(text))):
                return text
    return ""


def preparation_of(module: str) -> Path:
    """A YAML file with tasks: ``before``, which make what the examples name, and ``after``, which look at what came."""
    return _PREPARATIONS / f"{module}.yml"
