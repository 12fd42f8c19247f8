# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract's section "VM Configuration Endpoints", example by example."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.conftest import Demo

pytestmark = pytest.mark.lab


@pytest.mark.rule("put-config")
def test_get_the_configuration(demo: Demo, vm: dict[str, Any]) -> None:
    answer = demo.curl("GET", f"/api/vms/{vm['id']}/config")

    assert answer == (
        200,
        {
            "id": vm["id"],
            "name": vm["name"],
            "uuid": vm["uuid"],
            "cpu_cores": 2,
            "memory_mb": 2048,
            "disk_gb": 20.0,
            "os_type": "linux",
            "os_version": "Ubuntu 22.04",
            "vnc_enabled": True,
            "vnc_port": None,
            "network_config": {"type": "nat", "bridge_name": None},
            "xml_config": None,
        },
    )


@pytest.mark.rule("put-config")
def test_update_the_configuration_answers_it(demo: Demo, vm: dict[str, Any]) -> None:
    body = '{"cpu_cores": 4, "memory_mb": 4096, "vnc_enabled": true}'

    answer = demo.curl("PUT", f"/api/vms/{vm['id']}/config", body)

    assert answer.status == 200
    assert (answer.body["cpu_cores"], answer.body["memory_mb"], answer.body["vnc_enabled"]) == (4, 4096, True)
    assert answer.body == demo.curl("GET", f"/api/vms/{vm['id']}/config").body


def test_the_display_can_be_taken_away_and_given_back(demo: Demo, vm: dict[str, Any]) -> None:
    path = f"/api/vms/{vm['id']}/config"

    assert demo.curl("PUT", path, '{"vnc_enabled": false}').body["vnc_enabled"] is False
    assert demo.curl("PUT", path, '{"vnc_enabled": true}').body["vnc_enabled"] is True


@pytest.mark.rule("verb-resize")
def test_resize_a_vm_that_is_off(demo: Demo, vm: dict[str, Any]) -> None:
    body = '{"cpu_cores": 4, "memory_mb": 8192, "disk_gb": 40.0}'

    answer = demo.curl("POST", f"/api/vms/{vm['id']}/resize", body)

    assert answer.status == 200
    assert (answer.body["operation"], answer.body["message"]) == ("resize", "VM resized successfully")
    assert (answer.body["details"]["status"], answer.body["details"]["changed"]) == ("resized", True)
    assert demo.curl("GET", f"/api/vms/{vm['id']}").body["resources"] == {
        "cpu_cores": 4,
        "memory_mb": 8192,
        "disk_gb": 40.0,
    }
