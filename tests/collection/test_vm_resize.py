# SPDX-License-Identifier: GPL-3.0-or-later
"""The module vm_resize, run by Ansible on a real host."""

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from lab.host import Host
from tests.collection.conftest import Tasks
from tests.core.actions.guests import desired, made

pytestmark = pytest.mark.lab


@pytest.mark.slow
def test_sizes_are_foretold_given_once_and_refused_where_they_can_not_be(tasks: Tasks, lab_host: Host) -> None:
    with Hypervisor.open(lab_host.uri) as hypervisor:
        uuid = made(hypervisor, desired(lab_host, "resized", max_cpu_cores=3)).uuid
        made(hypervisor, desired(lab_host, "resized-live", "running", max_cpu_cores=3))
    off = {"uuid": uuid, "cpu_cores": 2, "memory_mb": 160, "disk_gb": 0.25}
    live = {"name": "resized-live", "cpu_cores": 3, "memory_mb": 160, "live": True}
    answers = tasks(
        module="vm_resize",
        checked={**off, "check_mode": True, "diff": True},
        done={**off, "diff": True},
        again=off,
        live=live,
        live_again=live,
        not_live={**live, "live": False, "cpu_cores": 2},
        shrunk={"uuid": uuid, "disk_gb": 0.125},
        nobody={"name": "nobody", "memory_mb": 64},
        another={"uuid": uuid, "name": "resized-live", "memory_mb": 64},
        nothing={"uuid": uuid},
    )

    assert answers["checked"]["diff"] == answers["done"]["diff"]
    assert answers["checked"]["plan"] == answers["done"]["plan"]
    assert [answers["done"]["vm"][size] for size in ("cpu_cores", "memory_mb", "disk_gb")] == [2, 160, 0.25]
    assert [answers[name]["changed"] for name in ("checked", "done", "again", "live", "live_again")] == [
        True, True, False, True, False,
    ]  # fmt: skip
    assert answers["live"]["next_boot"] == ["memory_mb"]
    assert answers["live"]["vm"]["status"] == "running"
    assert (answers["not_live"]["code"], answers["shrunk"]["field"]) == ("wrong_state", "disk_gb")
    assert (answers["nobody"]["code"], answers["another"]["field"]) == ("vm_not_found", "name")
    assert "one of the following is required: cpu_cores, memory_mb, disk_gb" in answers["nothing"]["msg"]
