# SPDX-License-Identifier: GPL-3.0-or-later
"""AWX offers our playbooks for a job template, and nothing else that lies in the repository."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

LEFT_OUT = {"roles", "tasks", "group_vars", "host_vars"}
PLAYBOOK_LINE = re.compile(r"^\s*?-?\s*?(?:hosts|(?:ansible\.builtin\.)?(?:include|import_playbook)):\s*?.*?$")


def offered(path: Path, text: str) -> bool:
    """Answer whether AWX 24.6 takes a file for a playbook.

    That is a YAML file of which one line looks like a play's, at any indentation, or that is encrypted with Ansible's
    vault; in any folder, except those of the four names and those that begin with a dot. Links to folders it does not
    follow.
    """
    folders = path.parent.parts
    if path.suffix not in {".yml", ".yaml"} or LEFT_OUT.intersection(folders):
        return False
    if any(folder.startswith(".") for folder in folders):
        return False
    return text.startswith("$ANSIBLE_VAULT;") or any(PLAYBOOK_LINE.match(line) for line in text.splitlines())


def test_awx_offers_the_files_of_playbooks_and_no_other(texts: dict[Path, str]) -> None:
    ours = {path for path in texts if path.parent == Path("playbooks") and path.suffix == ".yml"}

    assert ours
    assert {path for path, text in texts.items() if offered(path, text)} == ours


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("site.yml", "- hosts: all", True),
        ("a/b/site.yaml", "---\n- name: x\n  hosts: all", True),
        ("collections/x/playbooks/p.yml", "- ansible.builtin.import_playbook: other.yml", True),
        ("extensions/molecule/default/converge.yml", "- hosts: all", True),
        ("rulebooks/a.yml", "      hosts: all", True),
        ("inventory/a.yml", "all:\n  hosts:\n    kvm1:", True),
        ("a.yml", "- include: other.yml", True),
        ("a.yml", "$ANSIBLE_VAULT;1.1;AES256\n6162", True),
        ("a.yml", "- import_tasks: other.yml\n- include_tasks: other.yml", False),
        ("a.yml", "# hosts: all", False),
        ("a.yml", "my_hosts: all", False),
        ("a.json", "- hosts: all", False),
        ("tests/tasks/a.yml", "- hosts: all", False),
        ("roles/x/a.yml", "- hosts: all", False),
        ("a/host_vars/b/a.yml", "hosts: all", False),
        (".github/a.yml", "- hosts: all", False),
    ],
)
def test_the_replay_knows_awx_s_rules(path: str, text: str, expected: bool) -> None:
    assert offered(Path(path), text) is expected


def test_the_link_that_ansible_finds_playbooks_by_is_no_folder_to_awx(files: list[Path], repo: Path) -> None:
    link = Path("collections/ansible_collections/hostler/libvirt/playbooks")

    assert link in files
    assert (repo / link).is_symlink()
    assert (repo / link).resolve() == repo / "playbooks"
