# SPDX-License-Identifier: GPL-3.0-or-later
"""The service killed in the middle: every job ends, and nothing is left that nobody accounts for."""

from __future__ import annotations

import threading
import time

import httpx
import pytest

from lab.host import Host
from tests.end_to_end.conftest import RunningService, eventually

pytestmark = pytest.mark.lab

SMALL = {"server_id": 1, "cpu_cores": 1, "memory_mb": 64, "disk_gb": 0.25, "image": "tiny.qcow2"}


def ended(service: RunningService) -> bool:
    return not service.get("/api/jobs?state=running")["items"]


# from before the playbook begins to after the VM is made; a create takes about 1.5 s
@pytest.mark.parametrize("seconds", [0.1, 1.2, *(pytest.param(at, marks=pytest.mark.slow) for at in (0.7, 1.0, 1.4))])
def test_a_create_that_is_killed_is_finished_or_taken_back(
    service: RunningService, lab_host: Host, seconds: float
) -> None:
    def create() -> None:
        try:
            service.post("/api/vms", name="cut-off", **SMALL, cloud_init={})
        except httpx.TransportError:
            pass  # its answer died with the service

    client = threading.Thread(target=create)
    client.start()
    time.sleep(seconds)
    service.kill()
    client.join()
    service.start()
    eventually(lambda: ended(service), "every job has ended")

    disks = sorted(disk.name.rpartition("-")[2] for disk in lab_host.layout.pools["default"].iterdir())
    vm = service.vm_named("cut-off")
    domains = lab_host.virsh("list", "--all", "--name").split()
    jobs = service.get("/api/jobs?per_page=100")["items"]
    if vm is None:
        assert domains == []
        assert disks == []
        assert not jobs or jobs[-1]["state"] == "failed"
        assert not jobs or "The service was stopped while this ran" in jobs[-1]["error"]["detail"]
    else:
        assert domains == ["cut-off"]
        assert vm["status"] == "stopped"
        assert len(disks) == 2
        assert jobs[-1]["state"] == "succeeded"
        assert service.post(f"/api/vms/{vm['id']}/start").json()["message"] == "VM started successfully"
        assert service.client.delete(f"/api/vms/{vm['id']}").status_code == 200


def test_a_vm_can_be_used_after_its_start_was_killed(service: RunningService, lab_host: Host) -> None:
    made = service.post("/api/vms", name="restarted", **SMALL)
    assert made.status_code == 201, made.text + service.log()
    vm = made.json()
    starting = threading.Thread(target=lambda: _ignoring_its_death(service, f"/api/vms/{vm['id']}/start"))
    starting.start()
    time.sleep(0.05)
    service.kill()
    starting.join()
    service.start()
    eventually(lambda: ended(service), "every job has ended")

    shown = service.get(f"/api/vms/{vm['id']}")["status"]
    assert shown == {"shut off": "stopped", "running": "running"}[lab_host.virsh("domstate", "restarted").strip()]
    assert service.client.delete(f"/api/vms/{vm['id']}").status_code == 200
    assert list(lab_host.layout.pools["default"].iterdir()) == []


def _ignoring_its_death(service: RunningService, path: str) -> None:
    try:
        service.post(path)
    except httpx.TransportError:
        pass  # its answer died with the service
