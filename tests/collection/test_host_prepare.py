# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook host_prepare, on a machine that is a libvirt host already."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.host import Host
from tests.collection.conftest import Ansible

pytestmark = [
    pytest.mark.lab,
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="the playbook is for root"),
]

PLAYBOOK = "hostler.libvirt.host_prepare"


@pytest.fixture
def variables(lab_host: Host, tmp_path: Path) -> dict[str, Any]:
    """The lab's host, and folders of the test's."""
    (tmp_path / "config").mkdir()
    return {
        "hypervisor_uri": lab_host.uri,
        "hypervisor_config_dir": str(tmp_path / "config"),
        "ansible_python_interpreter": "/usr/bin/python3",  # it has apt's library, which tells of packages
    }


def test_nothing_changes_on_a_host_and_a_site_s_steps_learn_what_it_can(
    ansible: Ansible, lab_host: Host, variables: dict[str, Any], tmp_path: Path
) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    step = {"name": "Tell", "ansible.builtin.debug": {"msg": "guests are {{ hypervisor_found.virt_type }}"}}
    (hooks / "host_prepare_after.yml").write_text(yaml.safe_dump([step]))

    run = ansible(PLAYBOOK, "--diff", extra={**variables, "hooks_dir": str(hooks)})

    assert run.code == 0, run.output
    assert "changed=0" in run.output
    assert f"guests are {lab_host.virt_type}" in run.output
    assert list((tmp_path / "config").iterdir()) == []


def test_check_mode_foretells_the_service_and_makes_nothing_of_it(
    ansible: Ansible, variables: dict[str, Any], tmp_path: Path
) -> None:
    service = {
        "host_prepare_service": True,
        "service_package": "hostler",
        "service_packages": [],
        "service_user": "root",
        "service_background": True,
        "service_hosts": [{"name": "here", "uri": "qemu:///system"}],
        **{f"service_{name}": str(tmp_path / "service" / name) for name in ("venv", "config_dir", "state_dir")},
    }

    run = ansible(PLAYBOOK, "--check", "--diff", extra={**variables, **service})

    assert run.code == 0, run.output
    assert "hostler would be installed." in run.output
    assert "It would be started anew." in run.output
    assert "failed=0" in run.output
    assert not (tmp_path / "service").exists()
