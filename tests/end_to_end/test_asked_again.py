# SPDX-License-Identifier: GPL-3.0-or-later
"""A create that is asked for again under its key, after the service was stopped or killed."""

from __future__ import annotations

import threading
import time

import httpx
import pytest

from lab.host import Host
from tests.end_to_end.conftest import RunningService

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.rule("idempotency")]


def create(service: RunningService, key: str) -> httpx.Response:
    body = {"name": "asked-for", "server_id": 1, "cpu_cores": 1, "memory_mb": 64, "disk_gb": 0.125}
    return service.client.post("/api/vms", json=body, headers={"Idempotency-Key": key})


def test_a_key_is_remembered_over_a_restart(service: RunningService, lab_host: Host) -> None:
    first = create(service, "restarted")
    assert first.status_code == 201, first.text
    service.stop()
    service.start()

    again = create(service, "restarted")

    assert (again.status_code, again.json()) == (201, first.json())
    assert lab_host.virsh("list", "--all", "--name").split() == ["asked-for"]
    assert service.client.delete(f"/api/vms/{first.json()['id']}").status_code == 200


def test_who_asks_again_after_a_crash_learns_what_became_of_it(service: RunningService, lab_host: Host) -> None:
    def ask() -> None:
        try:
            create(service, "killed")
        except httpx.TransportError:
            pass  # its answer died with the service

    client = threading.Thread(target=ask)
    client.start()
    while not service.get("/api/jobs?state=running")["items"]:
        time.sleep(0.02)
    service.kill()
    client.join()
    service.start()

    again = create(service, "killed")

    vm = service.vm_named("asked-for")
    if vm is None:
        assert again.status_code == 500
        assert again.json()["code"] == "cut_off"
        assert lab_host.virsh("list", "--all", "--name").split() == []
    else:
        assert (again.status_code, again.json()["id"], again.json()["uuid"]) == (201, vm["id"], vm["uuid"])
