# SPDX-License-Identifier: GPL-3.0-or-later
"""The guide from community.libvirt leaves nothing of that out, and names nothing that is not there or nobody tries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from awx.documentation import options_of, returned_by
from tests.collection.migration_guide import counterparts, examples, rows, sections, tasks, used
from tests.collection.module_examples import examples_of, modules, preparation_of

COLLECTION = Path("collections/ansible_collections/hostler/libvirt")
# whose sections are not called as they are
SECTIONS = {
    "virt_cloud_instance": "virt_cloud_instance and virt_install",
    "virt_install": "virt_cloud_instance and virt_install",
    "libvirt": "The inventory plugin libvirt",
    "libvirt_qemu": "The connection plugins libvirt_qemu and libvirt_lxc",
    "libvirt_lxc": "The connection plugins libvirt_qemu and libvirt_lxc",
}
PLUGINS = {"vms": "inventory", "guest_agent": "connection"}
OF_ANSIBLE = {"compose", "groups", "keyed_groups", "strict"}  # which every inventory plugin has
OPTION = re.compile(r"(\w+): ([\w.\[\]]+)(?:=([\w.-]+))?")
RETURNED = re.compile(r"(\w+) → ([\w.\[\]]+)")


def find(tree: dict[str, Any], path: str, inner: str) -> dict[str, Any] | None:
    """What stands at ``a[].b`` in options or returned values, whose own are at ``inner``; None for nothing."""
    found: dict[str, Any] | None = None
    for name in path.replace("[]", "").split("."):
        found = tree.get(name)
        if found is None:
            return None
        tree = found.get(inner) or {}
    return found


def options_named() -> Iterator[tuple[str, str, str | None]]:
    """Module, option and, if one is named, value of each option in the guide."""
    for text in counterparts():
        if matched := OPTION.fullmatch(text):
            yield matched[1], matched[2], matched[3]


def test_everything_that_community_libvirt_has_is_in_its_section(repo: Path) -> None:
    theirs = yaml.safe_load((repo / "tests/habits/community_libvirt.yml").read_text())
    told = sections()

    missing = []
    for plugin, has in theirs.items():
        text = told[SECTIONS.get(plugin, plugin)]
        named = {one for row in rows(text) for one in row.theirs}
        if plugin == "libvirt_lxc":  # which is out of scope, and a sentence
            named = set(re.findall(r"`(\w+)`", text))
        missing += [(plugin, one) for kind in has.values() for one in kind.split(", ") if one not in named]
    assert missing == []


def test_every_row_says_what_is_here_instead() -> None:
    for text in sections().values():
        for line in text.splitlines():
            if line.startswith("| `"):
                here = line.split("|")[2].strip()
                assert here == "none" or "`" in here, line


def all_options(repo: Path) -> dict[str, dict[str, Any]]:
    """The options of all modules and plugins, by these."""
    kinds = dict.fromkeys(modules(repo), "modules") | PLUGINS
    return {name: options_of(repo, name, kind) for name, kind in kinds.items()}


def test_every_option_that_is_named_is_one(repo: Path) -> None:
    named, options = list(options_named()), all_options(repo)

    assert len(named) > 150
    assert len(named) == sum(": " in text for text in counterparts())  # none is written otherwise
    for module, path, value in named:
        if module == "vms" and path in OF_ANSIBLE:
            continue
        option = find(options[module], path, "suboptions")
        assert option is not None, f"{module} has no option {path}"
        if value is not None:
            values = ["true", "false"] if option["type"] == "bool" else option.get("choices", [])
            assert value in values, f"{module}'s {path} is never {value}"


def test_every_value_that_is_named_is_returned(repo: Path) -> None:
    named = [(matched[1], matched[2]) for text in counterparts() if (matched := RETURNED.fullmatch(text))]

    assert len(named) > 50
    returned = {module: returned_by(repo, module) for module in {module for module, _path in named}}
    for module, path in named:
        assert find(returned[module], path, "contains"), f"{module} returns no {path}"


def tried(repo: Path) -> set[tuple[str, str, str]]:
    """Module, option and value of all that is given in what is run: the guide, examples, and ansible-test's targets."""
    around = yaml.safe_load(preparation_of("from_community_libvirt").read_text())
    files = (repo / COLLECTION / "tests/integration/targets").glob("*/tasks/*.yml")
    texts = [examples_of(repo, module) for module in modules(repo)] + [file.read_text() for file in files]
    configs = [around["inventory"], *yaml.safe_load_all(examples_of(repo, "vms", "inventory")), *examples()]
    given = set(used([tasks(), around["further"], *map(yaml.safe_load, texts)]))
    given |= set(used([{"hostler.libvirt.vms": config} for config in configs if isinstance(config, dict)]))
    return given | {("vm", path.removeprefix("vms."), value) for module, path, value in given if module == "vm"}


def test_every_option_that_is_named_is_tried(repo: Path) -> None:
    given, options = tried(repo), all_options(repo)

    untried = []
    for module, path, value in options_named():
        option = find(options[module], path, "suboptions") or {}
        # the first two are given in other ways: by variables, and by defaults of plays
        if PLUGINS.get(module) == "connection" or path == "uri" or value == str(option.get("default")).lower():
            continue
        if not any((module, path.replace("[]", "")) == one[:2] and value in (None, one[2]) for one in given):
            untried.append((module, path, value))
    assert untried == []
