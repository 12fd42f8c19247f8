# SPDX-License-Identifier: GPL-3.0-or-later
"""An operator's playbook comes before the collection's, and nothing but a name is a name."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostler.runner.playbook import find_playbook


def test_the_collection_s_playbook_is_named_by_its_full_name(tmp_path: Path) -> None:
    assert find_playbook("vm_create", None) == "hostler.libvirt.vm_create"
    assert find_playbook("vm_create", tmp_path) == "hostler.libvirt.vm_create"
    assert find_playbook("vm_create", tmp_path / "missing") == "hostler.libvirt.vm_create"


def test_an_operator_s_playbook_of_the_name_wins(tmp_path: Path) -> None:
    (tmp_path / "vm_create.yml").touch()

    assert find_playbook("vm_create", tmp_path) == str(tmp_path / "vm_create.yml")
    assert find_playbook("vm_resize", tmp_path) == "hostler.libvirt.vm_resize"


def test_a_folder_of_the_name_is_no_playbook(tmp_path: Path) -> None:
    (tmp_path / "vm_create.yml").mkdir()

    assert find_playbook("vm_create", tmp_path) == "hostler.libvirt.vm_create"


@pytest.mark.parametrize(
    "name", ["../vm_create", "/etc/passwd", "vm.create", "vm_create\n", "-h", "Vm", "", "vm create"]
)
def test_refuses_what_is_no_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no name of a playbook"):
        find_playbook(name, tmp_path)
