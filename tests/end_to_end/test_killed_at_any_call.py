# SPDX-License-Identifier: GPL-3.0-or-later
"""The service killed at any call to libvirt that an action makes, its own or its playbook's, and started again."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest

from lab.gate import Gate
from lab.host import Host
from tests.end_to_end.conftest import RunningService, eventually

pytestmark = [pytest.mark.lab, pytest.mark.slow]

VM = {
    "name": "victim",
    "server_id": 1,
    "cpu_cores": 1,
    "memory_mb": 64,
    "disk_gb": 0.125,
    "firmware": "uefi",
    "cloud_init": {"hostname": "h"},
    "network_config": {"type": "none"},
}
RUNNING = {"start": True}
SIZES = {"cpu_cores": 2, "memory_mb": 96, "disk_gb": 0.25}

Fields = dict[str, Any]
ACTIONS: dict[str, tuple[Fields | None, str, str, Fields | None]] = {
    # what the VM has beforehand (None: there is none yet), and the request
    "create": (None, "POST", "", {**VM, **RUNNING, "protected": True}),
    "delete": (RUNNING, "DELETE", "/{id}", None),
    "start": ({}, "POST", "/{id}/start", None),
    "stop": (RUNNING, "POST", "/{id}/stop?timeout=1&force=true", None),
    "force-stop": (RUNNING, "POST", "/{id}/force-stop", None),
    "restart": (RUNNING, "POST", "/{id}/restart?force=true", None),
    "reset": (RUNNING, "POST", "/{id}/reset", None),
    "resize": ({}, "POST", "/{id}/resize", SIZES),
    "change": ({}, "PUT", "/{id}", {"name": "victor", "description": "new", "autostart": True, **SIZES}),
    "change of the configuration": ({}, "PUT", "/{id}/config", {"vnc_enabled": False, "memory_mb": 96}),
}


@pytest.fixture
def gate(lab_host: Host) -> Iterator[Gate]:
    with tempfile.TemporaryDirectory() as folder:  # the path of a socket has to be short
        gate = Gate(lab_host.uri, Path(folder))
        yield gate
        gate.close()


@pytest.fixture
def service(request: pytest.FixtureRequest, gate: Gate, lab_host: Host, tmp_path: Path) -> Iterator[RunningService]:
    """A service whose every call to libvirt, and whose playbooks' calls, pass through the gate."""
    dispatch = f'{{"vm_create": "{request.param}", "vm_resize": "{request.param}"}}'
    service = RunningService(tmp_path, gate.uri, lab_host.virt_type, HOSTLER_DISPATCH=dispatch)
    try:
        service.start()
        yield service
    finally:
        service.stop()
        service.client.close()


def settled(service: RunningService) -> bool:
    """Whether no job runs and no VM is in between."""
    between = {"creating", "deleting", "stopping", "unknown"}
    vms = service.get("/api/vms")["vms"]
    open_jobs = [service.get(f"/api/jobs?state={state}")["total"] for state in ("queued", "running")]
    return not any(open_jobs) and not between & {vm["status"] for vm in vms}


def differences(service: RunningService, host: Host) -> list[str]:
    """What the service and its host don't agree on, and files that belong to no VM."""
    domains: dict[str, str] = {}
    used: set[str] = set()
    for name in host.virsh("list", "--all", "--name").split():
        document = ElementTree.fromstring(host.virsh("dumpxml", name))  # noqa: S314 - libvirt made it
        domains[name] = {"shut off": "stopped"}.get(word := host.virsh("domstate", name).strip(), word)
        used |= {source.get("file", "") for source in document.findall("devices/disk/source")}
    shown = {vm["name"]: vm["status"] for vm in service.get("/api/vms")["vms"]}
    files = {str(file) for file in host.layout.pools["default"].iterdir()}
    nvram = {file.name.removesuffix("_VARS.fd") for file in (host.layout.folder / "lib/qemu/nvram").glob("*_VARS.fd")}
    found = {
        "domains": domains if domains != shown else {},
        "VMs": shown if domains != shown else {},
        "disks of nobody": files - used,
        "NVRAM of nobody": nvram - set(domains),
    }
    return [f"{what}: {which}" for what, which in found.items() if which]


def kill_it_once(service: RunningService, gate: Gate, host: Host, action: str, call: int, delivered: bool) -> bool:
    """Do the action, the service being killed at that call; false when it is done before the call came."""
    had, method, path, body = ACTIONS[action]
    path = "/api/vms" + path
    if had is not None:
        made = service.post("/api/vms", **VM, **had)
        assert made.status_code == 201, made.text
        path = path.format(id=made.json()["id"])

    def kill() -> None:
        service.kill()
        if not delivered:
            gate.cut()

    gate.fail_at(call, kill, deliver=delivered)
    try:
        answer = service.client.request(method, path, json=body)
    except httpx.TransportError:
        answer = None
    killed = gate.calm()
    what = f"{action}, killed at call {call}, delivered: {delivered}, answer: {answer and answer.text}"
    if killed:
        service.kill()  # it is being killed: wait for it
        service.start()
    else:
        assert answer is not None and answer.is_success, what

    assert_settled(service, host, what)
    return killed


def assert_settled(service: RunningService, host: Host, what: str) -> None:
    """Every job has ended, the service and its host agree, and what was left can be used and taken away."""
    try:
        eventually(lambda: settled(service), "every job has ended")
        eventually(lambda: not differences(service, host), "the service and its host agree")
        put_back(service)
        assert not differences(service, host)
    except AssertionError as error:
        raise AssertionError(f"{what}: {differences(service, host)}") from error
    for job in service.get("/api/jobs?per_page=100")["items"]:
        if job["state"] != "succeeded":
            assert (job["state"], job["error"]["code"]) == ("failed", "cut_off"), what
            assert "The service was stopped while this ran" in job["error"]["detail"], what


def put_back(service: RunningService) -> None:
    """What was left can be used, and taken away."""
    for vm in service.get("/api/vms")["vms"]:
        path = f"/api/vms/{vm['id']}"
        freed = service.client.put(path, json={"protected": False})
        assert freed.status_code == 200, freed.text
        for verb in ("force-stop", "start", "force-stop"):
            done = service.post(f"{path}/{verb}")
            assert done.status_code == 200, done.text
        gone = service.client.delete(path)
        assert gone.status_code == 200, gone.text


BY_PLAYBOOK = ("create", "resize", "change")
CASES = [*(("direct", action) for action in ACTIONS), *(("playbook", action) for action in BY_PLAYBOOK)]


@pytest.mark.parametrize(("service", "action"), CASES, indirect=["service"])
def test_a_service_that_is_killed_at_any_moment_settles_what_it_was_at(
    service: RunningService, gate: Gate, lab_host: Host, action: str
) -> None:
    # each run tries others; what fails names its own
    call = random.randint(1, 8)  # noqa: S311  no secret
    while kill_it_once(service, gate, lab_host, action, call, delivered=random.random() < 0.5):  # noqa: S311
        call += random.randint(6, 12)  # noqa: S311
        assert call < 1000
