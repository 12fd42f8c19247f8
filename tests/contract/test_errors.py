# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract's sections "Error Responses" and "Required Permissions", example by example."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract.conftest import EXAMPLE, Answer, Demo

pytestmark = pytest.mark.lab

WRITES = (
    ("POST", "/api/vms", json.dumps(EXAMPLE)),
    ("PUT", "/api/vms/1", '{"cpu_cores": 4}'),
    ("DELETE", "/api/vms/1?delete_disks=true", None),
    ("POST", "/api/vms/1/start", None),
    ("POST", "/api/vms/1/stop", None),
    ("POST", "/api/vms/1/force-stop", None),
    ("POST", "/api/vms/1/restart?force=false", None),
    ("POST", "/api/vms/1/reset", None),
    ("PUT", "/api/vms/1/config", '{"cpu_cores": 4}'),
    ("POST", "/api/vms/1/resize", '{"cpu_cores": 4}'),
)
READS = (("GET", "/api/vms", None), ("GET", "/api/vms/1", None), ("GET", "/api/vms/1/config", None))


def token_with(demo: Demo, *scopes: str) -> str:
    made = demo.curl("POST", "/api/tokens", json.dumps({"name": "contract", "scopes": scopes, "expires_in_days": 1}))
    return str(made.body["token"])


def says(answer: Answer, status: int, detail: str) -> bool:
    return answer.status == status and answer.body["detail"] == detail


@pytest.mark.rule("resize-rule")
def test_400_a_running_vm_is_not_resized(demo: Demo) -> None:
    body = '{"cpu_cores": 4, "memory_mb": 8192, "disk_gb": 40.0}'

    answer = demo.curl("POST", f"/api/vms/{demo.guest['id']}/resize", body)

    assert says(answer, 400, "VM must be stopped before resizing")


def test_401_without_and_with_a_wrong_token(demo: Demo) -> None:
    for method, path, body in READS + WRITES:
        for token in ("", "wrong"):
            assert says(demo.curl(method, path, body, token), 401, "Could not validate credentials"), (method, path)


@pytest.mark.rule("permissions")
def test_403_read_may_not_write_and_write_may_not_read(demo: Demo) -> None:
    read, write = token_with(demo, "read"), token_with(demo, "write")

    for method, path, body in WRITES:
        assert says(demo.curl(method, path, body, read), 403, "Not enough permissions"), (method, path)
    for method, path, body in READS:
        assert says(demo.curl(method, path, body, write), 403, "Not enough permissions"), (method, path)


def test_404_names_the_id(demo: Demo) -> None:
    for method, path, body in READS[1:] + WRITES[1:]:
        answer = demo.curl(method, path.replace("/1", "/999"), body)
        assert says(answer, 404, "VM with ID 999 not found"), (method, path, answer)


def test_500_says_that_the_create_failed(demo: Demo) -> None:
    pool = demo.folder / "lab"
    (images,) = [path.parent for path in pool.rglob("demo-*-root.qcow2")]
    aside = images.with_name("set-aside")
    images.rename(aside)  # a host whose file system has gone
    try:
        body = EXAMPLE | {"name": "unlucky", "server_id": demo.guest["server"]["id"]}
        answer = demo.curl("POST", "/api/vms", json.dumps(body))
    finally:
        aside.rename(images)

    assert answer.status == 500
    assert answer.body["detail"].startswith("Failed to create VM: ")
    assert demo.curl("GET", "/api/vms?search=unlucky").body["vms"] == []


@pytest.fixture
def without_hypervisor(tmp_path: Path) -> Iterator[Demo]:
    """A service of which nobody has told a hypervisor."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "HOSTLER_STATE_DIR": str(tmp_path / "state"),
        "HOSTLER_PORT": str(port),
        "HOSTLER_ADMIN_PASSWORD": "an admin's password",
    }
    with (tmp_path / "log").open("wb") as log:
        service = subprocess.Popen([sys.executable, "-m", "hostler", "serve"], env=environment, stdout=log, stderr=log)
    try:
        yield Demo(tmp_path, f"http://127.0.0.1:{port}", _logged_in(f"http://127.0.0.1:{port}"))
    finally:
        service.terminate()
        service.wait(timeout=40)


def _logged_in(url: str) -> str:
    login = {"username": "admin", "password": "an admin's password"}
    deadline = time.monotonic() + 30
    while True:
        try:
            answer = httpx.post(f"{url}/api/auth/login", data=login, trust_env=False)
        except httpx.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return str(answer.json()["access_token"])


@pytest.mark.rule("error-503")
def test_503_without_a_hypervisor_nothing_can_be_done_and_all_can_be_listed(without_hypervisor: Demo) -> None:
    for method, path, body in WRITES:
        answer = without_hypervisor.curl(method, path, body)
        text = "VM operations are not available - libvirt not configured"
        assert says(answer, 503, text), (method, path, answer)
    listed: dict[str, Any] = without_hypervisor.curl("GET", "/api/vms").body
    assert listed == {"vms": [], "total": 0, "page": 1, "per_page": 20, "total_pages": 0}
