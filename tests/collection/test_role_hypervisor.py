# SPDX-License-Identifier: GPL-3.0-or-later
"""The role hypervisor on a machine that is a host already; molecule sees to what it makes and to the second run."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.host import Host
from tests.collection.conftest import Ansible, Run

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="the role is for root"),
]


@pytest.fixture
def role(ansible: Ansible, lab_host: Host, tmp_path: Path) -> Any:
    """Run the role with these variables, with libvirt's configuration in a folder of the test's."""
    (tmp_path / "qemu.conf").write_text('#user = "root"\nmax_files = 1\n')
    tasks = [
        {"ansible.builtin.include_role": {"name": "hostler.libvirt.hypervisor"}},
        {
            "ansible.builtin.copy": {
                "content": "{{ hypervisor_found | to_json }}",
                "dest": "{{ found }}",
                "mode": "0600",
            }
        },
    ]
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))

    def run(*arguments: str, **variables: Any) -> Run:
        own = {
            "hypervisor_uri": lab_host.uri,
            "hypervisor_config_dir": str(tmp_path),
            "ansible_python_interpreter": "/usr/bin/python3",  # it has apt's library, which tells of packages
            "found": str(tmp_path / "found.json"),
        }
        return ansible(tmp_path / "play.yml", *arguments, extra={**own, **variables})

    return run


@pytest.mark.slow
def test_check_mode_foretells_what_a_run_does_and_says_what_the_host_can(
    role: Any, lab_host: Host, tmp_path: Path
) -> None:
    wanted = {
        "hypervisor_qemu_settings": {"max_files": 4096},
        "hypervisor_pools": [{"name": "role-pool", "path": str(tmp_path / "pool")}],
        "hypervisor_networks": [],
    }
    try:
        checked = role("--check", "--diff", **wanted)
        untouched = (tmp_path / "qemu.conf").read_text()
        done = role("--diff", **wanted)
        pools = lab_host.virsh("pool-list", "--name", "--autostart")
        again = role("--diff", **wanted)
    finally:
        lab_host.virsh("pool-destroy", "role-pool")
        lab_host.virsh("pool-undefine", "role-pool")

    assert untouched == '#user = "root"\nmax_files = 1\n'
    text = (tmp_path / "qemu.conf").read_text()
    assert text.index("max_files = 4096\n") < text.index("max_files = 1\n")  # libvirt takes the first
    assert "role-pool" in pools.split()
    for run in (checked, done):
        assert run.code == 0, run.output
        assert "+max_files = 4096" in run.output
        assert "changed: [localhost] => (item=role-pool)" in run.output
    assert "ok: [localhost] => (item=role-pool)" in again.output
    assert "+max_files" not in again.output
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["virt_type"] == lab_host.virt_type
    assert {"proved", "reason", "cpu_virtualisation", "kvm_device", "nested", "iommu"} < set(found)


@pytest.mark.slow
@pytest.mark.parametrize("password", ["hunter22", 'hunter22"'])
def test_a_password_among_the_settings_is_not_shown(role: Any, tmp_path: Path, password: str) -> None:
    run = role("--diff", "-v", hypervisor_qemu_settings={"vnc_password": password}, hypervisor_pools=[])

    assert "vnc_password" in run.output
    assert "hunter22" not in run.output
    assert ("hunter22" in (tmp_path / "qemu.conf").read_text()) == ('"' not in password)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({"hypervisor_qemu_settings": {"user": 'a"b'}}, "user is no setting"),
        ({"hypervisor_daemon_settings": {"No Name": 1}}, "No Name is no setting"),
        ({"hypervisor_users": ["nobody-of-that-name"]}, "hypervisor_users: there is no user nobody-of-that-name."),
        ({"hypervisor_tls": True, "hypervisor_tls_ca": "/ca.pem"}, "hypervisor_tls_certificate is needed for"),
        ({"hypervisor_daemons": "both"}, "hypervisor_daemons must be one of"),
        ({"hypervisor_pools": [{"path": "/pool"}]}, "missing required arguments: name found in hypervisor_pools"),
    ],
)
def test_what_can_t_be_done_is_refused_by_its_name_before_anything_is_touched(
    role: Any, tmp_path: Path, variables: dict[str, Any], complaint: str
) -> None:
    run = role(**variables)

    assert run.code != 0
    assert complaint in run.output.replace("\n", " "), run.output
    assert "changed=0" in run.output
    assert (tmp_path / "qemu.conf").read_text() == '#user = "root"\nmax_files = 1\n'
