# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection's documentation says, read from its files: ansible-doc, which does that too, takes seconds."""

import ast
import functools
import re
from pathlib import Path
from typing import Any

import yaml

_COLLECTION = Path("collections/ansible_collections/hostler/libvirt")
_PLUGINS = _COLLECTION / "plugins"

_MARKED = re.compile(r"\b(?P<mark>[BICMOPVE]|RV)\((?P<content>[^)]*)\)")


def options_of(repo: Path, name: str, kind: str = "modules") -> dict[str, Any]:
    """The plugin's options by name, those of the collection's own fragments, too, and none of Ansible's."""
    documentation = _read(repo / _PLUGINS / kind / f"{name}.py", "DOCUMENTATION")
    options: dict[str, Any] = dict(documentation.get("options") or {})
    for fragment in documentation.get("extends_documentation_fragment", ()):
        collection, _, of_it = fragment.rpartition(".")
        if collection == "hostler.libvirt":
            options |= _read(repo / _PLUGINS / "doc_fragments" / f"{of_it}.py", "DOCUMENTATION")["options"]
    return options


def returned_by(repo: Path, module: str) -> dict[str, Any]:
    """What the module returns, by name."""
    return _read(repo / _PLUGINS / "modules" / f"{module}.py", "RETURN")


@functools.cache
def variables_of(repo: Path, role: str) -> dict[str, Any]:
    """The variables of the role, by name, as its argument specification has them."""
    file = repo / _COLLECTION / "roles" / role / "meta" / "argument_specs.yml"
    options: dict[str, Any] = yaml.load(file.read_text(), yaml.CSafeLoader)["argument_specs"]["main"]["options"]
    return options


def plain(marked: str) -> str:
    """The text without the documentation's markup: ``V(full)`` is ``full``, ``O(x.y.z#module:name)`` is ``name``."""
    return _MARKED.sub(_content, marked)


def _content(mark: re.Match[str]) -> str:
    content = mark["content"].rpartition("#module:")[2]
    return content.partition("#")[0] if mark["mark"] == "P" else content


@functools.cache
def _read(file: Path, variable: str) -> dict[str, Any]:
    for statement in ast.walk(ast.parse(file.read_text())):
        match statement:
            case ast.Assign(targets=[ast.Name(id=found)], value=ast.Constant(value=str(text))) if found == variable:
                content: dict[str, Any] = yaml.load(text, yaml.CSafeLoader)
                return content
    raise LookupError(f"{file} has no {variable}")
