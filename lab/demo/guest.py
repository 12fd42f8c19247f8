# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's guest, made and started over the REST API as any client would."""

import time
from typing import Any

import httpx

from lab.demo.environment import Environment
from lab.demo.service import SERVER
from lab.errors import LabError
from lab.storage import TINY, volume_of

GUEST = "demo"
BOOT_SECONDS = 180
REACHABLE_SECONDS = 30


def guest_with_address(environment: Environment) -> dict[str, Any]:
    """Answer the guest as the API shows it, made if need be, running, with an address. Raises LabError."""
    headers = {"Authorization": f"Bearer {environment.token}"}
    with httpx.Client(base_url=environment.url, headers=headers, timeout=320, trust_env=False) as client:
        server = _reachable_server(client)
        vm = _find(client) or _call(client, "POST", "/api/vms", _wanted(server))
        if vm["status"] != "running":
            _call(client, "POST", f"/api/vms/{vm['id']}/start")
        deadline = time.monotonic() + BOOT_SECONDS
        while True:
            vm = _call(client, "GET", f"/api/vms/{vm['id']}")
            if vm["network"]["ip_address"]:
                return vm
            if time.monotonic() > deadline:
                raise LabError(f"guest '{GUEST}' has no address after {BOOT_SECONDS} s; its status is {vm['status']}")
            time.sleep(0.2)


def _wanted(server: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": GUEST,
        "server_id": server["id"],
        "cpu_cores": 1,
        "memory_mb": 128,
        "disk_gb": 1.0,
        "image": volume_of(TINY),
        "os_type": "linux",
        "os_version": "Hostler tiny test image",
        "network_config": {"type": "nat"},
        "cloud_init": {"hostname": GUEST},
        "description": "Made by make demo",
        "tags": ["demo"],
    }


def _find(client: httpx.Client) -> dict[str, Any] | None:
    found = _call(client, "GET", f"/api/vms?search={GUEST}&per_page=100")["vms"]
    return next((vm for vm in found if vm["name"] == GUEST), None)


def _reachable_server(client: httpx.Client) -> dict[str, Any]:
    deadline = time.monotonic() + REACHABLE_SECONDS
    while True:
        servers = _call(client, "GET", "/api/servers")["items"]
        server = next((server for server in servers if server["hostname"] == SERVER), None)
        if server is not None and server["state"] == "reachable":
            return dict(server)
        if time.monotonic() > deadline:
            reason = server["state_reason"] if server else "it is not registered"
            raise LabError(f"the service can't reach the demo's host: {reason}")
        time.sleep(0.1)


def _call(client: httpx.Client, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    answer = client.request(method, path, json=body)
    if answer.is_error:
        raise LabError(f"{method} {path} was answered {answer.status_code}: {answer.json().get('detail')}")
    return dict(answer.json())
