# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract's section "VM Operations Endpoints", example by example."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.conftest import Demo

pytestmark = pytest.mark.lab


def done(vm: dict[str, Any], operation: str, message: str, status: str, changed: bool = True) -> dict[str, Any]:
    return {
        "id": vm["id"],
        "name": vm["name"],
        "operation": operation,
        "status": "success",
        "message": message,
        "details": {"name": vm["name"], "status": status, "changed": changed},
    }


@pytest.mark.rule("verb-start", "verb-reset", "verb-force-stop", "verb-answer")
def test_start_reset_and_force_stop(demo: Demo, vm: dict[str, Any]) -> None:
    path = f"/api/vms/{vm['id']}"

    assert demo.curl("POST", f"{path}/start") == (200, done(vm, "start", "VM started successfully", "started"))
    assert demo.curl("POST", f"{path}/reset") == (200, done(vm, "reset", "VM reset successfully", "reset"))
    assert demo.curl("POST", f"{path}/force-stop") == (
        200,
        done(vm, "force-stop", "VM force stopped successfully", "stopped"),
    )


@pytest.mark.rule("verb-restart", "verb-stop", "stop-waits")
def test_restart_and_graceful_stop_of_a_guest_that_listens(demo: Demo) -> None:
    guest = demo.guest
    path = f"/api/vms/{guest['id']}"

    try:
        assert demo.curl("POST", f"{path}/restart?force=false") == (
            200,
            done(guest, "restart", "VM restarted successfully", "restarted"),
        )
        assert demo.curl("POST", f"{path}/stop") == (200, done(guest, "stop", "VM stopped successfully", "stopped"))
    finally:
        demo.curl("POST", f"{path}/start")
