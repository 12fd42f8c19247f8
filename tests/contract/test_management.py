# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract's section "VM Management Endpoints", example by example."""

from __future__ import annotations

import json
import re
from types import NoneType
from typing import Any

import pytest

from tests.contract.conftest import EXAMPLE, Demo, assert_has

pytestmark = pytest.mark.lab

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")

VM = {
    "id": int,
    "name": str,
    "uuid": str,
    "status": str,
    "server": {"id": int, "hostname": str},
    "resources": {"cpu_cores": int, "memory_mb": int, "disk_gb": float},
    "network": {"ip_address": (str, NoneType), "mac_address": (str, NoneType)},
    "os_type": (str, NoneType),
    "os_version": (str, NoneType),
    "vnc_port": (int, NoneType),
    "created_at": str,
    "updated_at": str,
}


@pytest.mark.rule("list-shape", "units")
def test_list_vms_by_page_status_and_search(demo: Demo) -> None:
    answer = demo.curl("GET", "/api/vms?page=1&per_page=20&status=running&search=demo")

    assert answer.status == 200
    assert_has(answer.body, {"vms": [VM], "total": int, "page": int, "per_page": int, "total_pages": int})
    assert set(answer.body) == {"vms", "total", "page", "per_page", "total_pages"}
    assert (answer.body["page"], answer.body["per_page"], answer.body["total_pages"]) == (1, 20, 1)
    assert answer.body["total"] == len(answer.body["vms"]) == 1
    (vm,) = answer.body["vms"]
    assert (vm["name"], vm["status"], vm["os_type"]) == ("demo", "running", "linux")
    assert isinstance(vm["vnc_port"], int)
    assert TIME.fullmatch(vm["created_at"]) and TIME.fullmatch(vm["updated_at"])


def test_list_vms_by_server_and_os_type(demo: Demo) -> None:
    server = demo.guest["server"]["id"]

    assert demo.guest in demo.curl("GET", f"/api/vms?server_id={server}&os_type=linux").body["vms"]
    assert demo.curl("GET", f"/api/vms?server_id={server}&os_type=windows").body["vms"] == []
    assert demo.curl("GET", "/api/vms?server_id=99999").body["vms"] == []


def test_get_vm_details_has_the_structure_of_the_list(demo: Demo) -> None:
    guest = demo.guest

    answer = demo.curl("GET", f"/api/vms/{guest['id']}")

    assert answer.status == 200
    assert_has(answer.body, VM)
    assert set(answer.body) == set(guest)


@pytest.mark.rule("create-stopped", "synchronous")
def test_create_vm_answers_201_with_the_vm(demo: Demo) -> None:
    body = EXAMPLE | {"server_id": demo.guest["server"]["id"]}

    answer = demo.curl("POST", "/api/vms", json.dumps(body))

    try:
        assert answer.status == 201
        assert_has(answer.body, VM)
        assert answer.body["name"] == "my-new-vm"
        assert answer.body["resources"] == {"cpu_cores": 2, "memory_mb": 2048, "disk_gb": 20.0}
        assert (answer.body["os_type"], answer.body["os_version"]) == ("linux", "Ubuntu 22.04")
        assert answer.body["status"] == "stopped"
        assert answer.body == demo.curl("GET", f"/api/vms/{answer.body['id']}").body
    finally:
        demo.curl("DELETE", f"/api/vms/{answer.body['id']}?delete_disks=true")


@pytest.mark.rule("put-vm")
def test_update_vm_answers_the_vm(demo: Demo, vm: dict[str, Any]) -> None:
    name = f"renamed-{vm['name']}"

    answer = demo.curl("PUT", f"/api/vms/{vm['id']}", f'{{"name": "{name}", "cpu_cores": 4, "memory_mb": 4096}}')

    assert answer.status == 200
    assert_has(answer.body, VM)
    assert (answer.body["id"], answer.body["uuid"], answer.body["name"]) == (vm["id"], vm["uuid"], name)
    assert answer.body["resources"] == {"cpu_cores": 4, "memory_mb": 4096, "disk_gb": 20.0}


@pytest.mark.rule("delete-order")
def test_delete_vm_names_the_disks(demo: Demo, vm: dict[str, Any]) -> None:
    answer = demo.curl("DELETE", f"/api/vms/{vm['id']}?delete_disks=true")

    assert answer.status == 200
    assert set(answer.body) == {"message", "detail"}
    assert answer.body["message"] == f"VM '{vm['name']}' deleted successfully"
    assert re.fullmatch(r"Deleted disks: \['/[^']+\.qcow2'\]", answer.body["detail"])
