# SPDX-License-Identifier: GPL-3.0-or-later
"""Twenty tasks at the same time on one host."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from lab.host import Host
from tests.collection.conftest import Ansible
from tests.core.actions.guests import named

pytestmark = [pytest.mark.lab, pytest.mark.slow]

CROWD = [f"crowd-{number:02}" for number in range(20)]


def play(folder: Path, *tasks: dict[str, Any]) -> Path:
    file = folder / "crowd.yml"
    file.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "strategy": "free", "tasks": list(tasks)}]))
    return file


def test_twenty_vms_are_made_changed_and_taken_away_at_once(ansible: Ansible, lab_host: Host, tmp_path: Path) -> None:
    sizes = {"cpu_cores": 1, "memory_mb": 64, "disk_gb": 0.0625, "virt_type": lab_host.virt_type}
    one = {"name": "{{ inventory_hostname }}", "network_config": {"type": "none"}}
    make = {"hostler.libvirt.vm": {**one, **sizes, "cloud_init": {}}}
    change = {"hostler.libvirt.vm": {**one, "memory_mb": 96, "tags": ["of-the-crowd"], "autostart": True}}
    file = play(tmp_path, make, change, change)

    run = ansible(file, "-i", f"{','.join(CROWD)},", "-c", "local", "-f", "20")

    assert run.code == 0, run.output
    assert re.findall(r"ok=3 +changed=2 ", run.output) == ["ok=3    changed=2 "] * 20, run.output
    with Hypervisor.open(lab_host.uri) as hypervisor:
        for name in CROWD:
            vm = named(hypervisor, name)
            assert (vm.memory_kib, vm.autostart, len(vm.disks)) == (96 * 1024, True, 2)
        macs = {vm.uuid for vm in (named(hypervisor, name) for name in CROWD)}
        assert len(macs) == 20

    gone = play(tmp_path, {"hostler.libvirt.vm": {**one, "state": "absent"}})
    run = ansible(gone, "-i", f"{','.join(CROWD)},", "-c", "local", "-f", "20")

    assert run.code == 0, run.output
    with Hypervisor.open(lab_host.uri) as hypervisor:
        assert not {domain.name for domain in hypervisor.domains()} & set(CROWD)
        for pool in hypervisor.pools():
            pool.refresh()
            assert not [name for name in pool.volume_names() if name.startswith("crowd-")]


def test_twenty_who_want_the_same_vm_make_one(ansible: Ansible, lab_host: Host, tmp_path: Path) -> None:
    sizes = {"cpu_cores": 1, "memory_mb": 64, "disk_gb": 0.0625, "virt_type": lab_host.virt_type}
    same = {"hostler.libvirt.vm": {"name": "crowd-same", **sizes}, "register": "made", "ignore_errors": True}
    codes = tmp_path / "codes"
    note = {
        "ansible.builtin.lineinfile": {
            "path": str(codes), "line": "{{ inventory_hostname }} {{ made.code | default('fine') }}", "create": True,
        },
        "throttle": 1,
    }  # fmt: skip

    run = ansible(play(tmp_path, same, note), "-i", f"{','.join(CROWD)},", "-c", "local", "-f", "20")

    assert run.code == 0, run.output
    told = [line.split()[1] for line in codes.read_text().splitlines()]
    assert len(told) == 20
    assert "fine" in told
    assert set(told) <= {"fine", "name_taken", "wrong_state"}  # of those who came while it was being made
    with Hypervisor.open(lab_host.uri) as hypervisor:
        vm = named(hypervisor, "crowd-same")
        assert (vm.status, len(vm.disks)) == ("stopped", 1)
        volumes = [name for pool in hypervisor.pools() for name in pool.volume_names()]
        assert len([name for name in volumes if name.startswith("crowd-same-")]) == 1
