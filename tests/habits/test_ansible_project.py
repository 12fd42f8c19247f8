# SPDX-License-Identifier: GPL-3.0-or-later
"""The repository is a project that AWX and ansible-playbook can use as it stands, without the internet."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
from pathlib import Path

import pytest


def ansible(repo: Path, home: Path, program: str, *arguments: str) -> str:
    """Run a program of ansible-core in the repository's root, with an empty home folder; answer what it printed."""
    scripts = Path(sysconfig.get_path("scripts"))
    result = subprocess.run(
        [scripts / program, *arguments],
        cwd=repo,
        env={
            "PATH": f"{scripts}:{os.defpath}",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "LIBVIRT_DEFAULT_URI": "test:///default",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return result.stdout


def test_the_example_inventory_is_valid_and_runs_on_this_machine(repo: Path, tmp_path: Path) -> None:
    shown = json.loads(ansible(repo, tmp_path, "ansible-inventory", "-i", "inventory/example.ini", "--list"))

    assert shown["_meta"]["hostvars"]["localhost"]["ansible_connection"] == "local"
    assert set(shown["all"]["children"]) == {"ungrouped", "local", "hypervisors"}
    answer = ansible(
        repo, tmp_path, "ansible", "-i", "inventory/example.ini", "localhost", "-m", "ansible.builtin.ping"
    )
    assert '"ping": "pong"' in answer


def test_the_example_of_vms_as_an_inventory_has_those_of_the_host_that_the_environment_names(
    repo: Path, tmp_path: Path
) -> None:
    shown = json.loads(ansible(repo, tmp_path, "ansible-inventory", "-i", "inventory/vms.yml", "--list"))

    assert shown["host_local"]["hosts"] == list(shown["_meta"]["hostvars"]) == ["test"]


def test_the_requirements_need_nothing_from_elsewhere(repo: Path, tmp_path: Path) -> None:
    shown = ansible(repo, tmp_path, "ansible-galaxy", "collection", "install", "-r", "collections/requirements.yml")

    assert "already installed" in shown
    assert not (tmp_path / ".ansible" / "collections").exists()


@pytest.mark.parametrize(
    "playbook", ["playbooks/vm_create.yml", "hostler.libvirt.vm_create", "hostler.libvirt.vm_resize"]
)
def test_a_playbook_is_found_by_path_and_by_name(repo: Path, tmp_path: Path, playbook: str) -> None:
    shown = ansible(repo, tmp_path, "ansible-playbook", "-i", "inventory/example.ini", "--list-tasks", playbook)

    assert "TAGS" in shown


def test_the_module_s_documentation_is_found(repo: Path, tmp_path: Path) -> None:
    shown = json.loads(ansible(repo, tmp_path, "ansible-doc", "--json", "hostler.libvirt.vm"))

    assert "options" in shown["hostler.libvirt.vm"]["doc"]
