# SPDX-License-Identifier: GPL-3.0-or-later
"""Small guests of the lab's host, made and deleted over the API."""

from __future__ import annotations

import time
from typing import Any

import httpx

from bench.errors import BenchError
from bench.service import Service
from lab.host import Host

SMALL: dict[str, Any] = {
    "cpu_cores": 1,
    "memory_mb": 64,
    "disk_gb": 0.125,
    "network_config": {"type": "none"},
}
"""A VM with a blank disk: it starts in a moment."""
_REACHED_SECONDS = 30.0


def add_server(service: Service, host: Host) -> None:
    """Register the host as server 1 and wait until the service has reached it. Raises BenchError."""
    known = ("--virt-type", host.virt_type, "--image-pool", "images")
    service.command("server", "add", "bench1", host.uri, *known)
    deadline = time.monotonic() + _REACHED_SECONDS
    while " reachable" not in service.command("server", "list"):
        if time.monotonic() > deadline:
            raise BenchError("the service does not reach the lab's host")
        time.sleep(0.2)


def make_vm(client: httpx.Client, name: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Create a VM on server 1, or the ``server_id`` of its fields, and return it."""
    answer = client.post("/api/vms", json={"name": name, "server_id": 1, **fields})
    if answer.status_code != httpx.codes.CREATED:
        raise BenchError(f"the VM can't be made: {answer.text}")
    made: dict[str, Any] = answer.json()
    return made


def delete_vm(client: httpx.Client, vm: dict[str, Any]) -> None:
    """Delete a VM and its disk."""
    client.delete(f"/api/vms/{vm['id']}").raise_for_status()
