# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest does something of its own will, and it shows."""

from __future__ import annotations

import json

import pytest

from lab.host import Host
from tests.end_to_end.conftest import RunningService, eventually

pytestmark = pytest.mark.lab


def test_a_guest_that_powers_itself_off_is_stopped(service: RunningService, lab_host: Host) -> None:
    vm = service.post(
        "/api/vms",
        name="leaves",
        server_id=1,
        cpu_cores=1,
        memory_mb=128,
        disk_gb=0.25,
        image="tiny.qcow2",
        image_mode="backing",
        start=True,
        cloud_init={"user_data": "#cloud-config\n" + json.dumps({"runcmd": ["poweroff"]})},
    ).json()
    assert vm["status"] == "running"

    eventually(lambda: service.get(f"/api/vms/{vm['id']}")["status"] == "stopped", "the guest is off", 90)

    shown = service.get(f"/api/vms/{vm['id']}")
    assert (shown["network"]["ip_address"], shown["vnc_port"]) == (None, None)
    assert lab_host.virsh("domstate", "leaves", "--reason") == "shut off (shutdown)"
    assert service.post(f"/api/vms/{vm['id']}/stop").json()["message"] == "VM is already stopped"
