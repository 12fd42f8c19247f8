# SPDX-License-Identifier: GPL-3.0-or-later
"""The service or libvirtd dies at a chosen moment of a job, held there by a site's own step."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lab.host import Host
from tests.end_to_end.conftest import RunningService, eventually

pytestmark = pytest.mark.lab

SLOW = pytest.mark.slow

SECRET = b"correct-horse-battery-staple"
SMALL = {
    "server_id": 1,
    "cpu_cores": 1,
    "memory_mb": 64,
    "disk_gb": 0.25,
    "network_config": {"type": "none"},
    "cloud_init": {"user_data": f"#cloud-config\npassword: {SECRET.decode()}\n"},
}


class Request(threading.Thread):
    """A client that waits for its answer; None if the service died first."""

    def __init__(self, service: RunningService, method: str, path: str, **body: object) -> None:
        super().__init__()
        self.answer: httpx.Response | None = None
        self._client = service.client
        self._request: dict[str, Any] = {"method": method, "url": path, "json": body or None}
        self.start()

    def run(self) -> None:
        try:
            self.answer = self._client.request(**self._request)
        except httpx.TransportError:
            self.answer = None

    def answered(self) -> httpx.Response:
        self.join(timeout=60)
        assert self.answer is not None
        return self.answer


class Hold:
    """A hook that says that it was reached, and then takes its time."""

    def __init__(self, service: RunningService) -> None:
        self._hooks = service.folder / "hooks"
        self._mark = service.folder / "held"

    def at(self, hook: str, seconds: int) -> None:
        (self._hooks / f"{hook}.yml").write_text(
            f"- ansible.builtin.file:\n    path: {self._mark}\n    state: touch\n    mode: '0600'\n"
            f"- ansible.builtin.command: sleep {seconds}.25\n  changed_when: false\n"
        )

    def wait(self) -> None:
        eventually(self._mark.exists, "the hook is reached")

    def end(self) -> None:
        for file in (*self._hooks.glob("*.yml"), self._mark):
            file.unlink(missing_ok=True)


@pytest.fixture
def hold(service: RunningService) -> Iterator[Hold]:
    hold = Hold(service)
    yield hold
    hold.end()


def ended(service: RunningService) -> bool:
    return not service.get("/api/jobs?state=running")["items"]


def domains(host: Host) -> list[str]:
    return host.virsh("list", "--all", "--name").split()


def disks(host: Host) -> list[Path]:
    return list(host.layout.pools["default"].iterdir())


def playbooks(service: RunningService) -> list[str]:
    """Ids of the processes that the playbooks of this service have started; the process that forks them is none."""
    runs = re.compile(f"{re.escape(str(service.folder))}/state/runs/(?!warm-)".encode())
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes()
        except OSError:  # it has ended
            continue
        if runs.search(environment):
            found.append(folder.name)
    return found


def assert_user_data_is_nowhere(service: RunningService) -> None:
    """Neither in the state, nor in the log, nor in what a killed run had written down."""
    for file in service.folder.rglob("*"):
        assert not file.is_file() or SECRET not in file.read_bytes(), file


def test_a_create_killed_before_anything_was_made_leaves_nothing(
    service: RunningService, lab_host: Host, hold: Hold
) -> None:
    hold.at("vm_create_before", 300)
    request = Request(service, "POST", "/api/vms", name="early", **SMALL)
    hold.wait()
    assert playbooks(service)

    service.kill()
    service.start()

    request.join()
    eventually(lambda: ended(service), "the job has ended")
    job = service.get("/api/jobs?per_page=100")["items"][-1]
    assert (job["action"], job["state"], job["error"]["code"]) == ("vm_create", "failed", "cut_off")
    assert "The service was stopped while this ran" in job["error"]["detail"]
    assert service.vm_named("early") is None
    assert (domains(lab_host), disks(lab_host)) == ([], [])
    eventually(lambda: not playbooks(service), "the playbook has ended")
    assert list((service.folder / "state" / "runs").glob("run-*")) == []


def test_a_create_killed_after_the_vm_was_made_keeps_it(service: RunningService, lab_host: Host, hold: Hold) -> None:
    hold.at("vm_create_after", 300)
    request = Request(service, "POST", "/api/vms", name="late", **SMALL, protected=True)
    hold.wait()

    service.kill()
    service.start()

    request.join()
    eventually(lambda: ended(service), "the job has ended")
    vm = service.vm_named("late")
    assert vm is not None
    assert vm["status"] == "stopped"
    assert service.get("/api/jobs?per_page=100")["items"][-1]["state"] == "succeeded"
    eventually(lambda: not playbooks(service), "the playbook has ended")
    hold.end()
    assert service.post(f"/api/vms/{vm['id']}/start").status_code == 200
    assert_user_data_is_nowhere(service)


@pytest.mark.parametrize("seconds", [0.03, pytest.param(0.0, marks=SLOW), pytest.param(0.1, marks=SLOW)])
def test_a_delete_that_is_killed_is_done_or_can_be_done_again(
    service: RunningService, lab_host: Host, seconds: float
) -> None:
    vm = service.post("/api/vms", name="going", **SMALL).json()
    assert service.post(f"/api/vms/{vm['id']}/start").status_code == 200
    number = len(service.get("/api/jobs?per_page=100")["items"])
    request = Request(service, "DELETE", f"/api/vms/{vm['id']}")
    request.join(timeout=seconds)

    service.kill()
    service.start()

    request.join()
    eventually(lambda: ended(service), "the job has ended")
    job = service.get("/api/jobs?per_page=100")["items"][-1]
    shown = service.client.get(f"/api/vms/{vm['id']}")
    if shown.status_code == 404:
        assert job["state"] == "succeeded"
    else:
        assert shown.json()["status"] in ("running", "stopped")
        assert domains(lab_host) == ["going"]
        assert len(service.get("/api/jobs?per_page=100")["items"]) == number or job["state"] == "failed"
        assert service.client.delete(f"/api/vms/{vm['id']}").status_code == 200
    assert (domains(lab_host), disks(lab_host)) == ([], [])


@pytest.mark.parametrize("hook", ["vm_create_after", pytest.param("vm_create_before", marks=SLOW)])
def test_a_create_on_a_host_whose_libvirtd_dies_leaves_nothing_once_it_is_back(
    service: RunningService, lab_host: Host, hold: Hold, hook: str
) -> None:
    hold.at(hook, 2)
    request = Request(service, "POST", "/api/vms", name="orphan", **SMALL, start=True, protected=True)
    hold.wait()

    lab_host.kill_libvirtd()
    try:
        answer = request.answered()
    finally:
        lab_host.start_libvirtd()

    assert answer.status_code == 503
    assert answer.json()["detail"] == "Host 'lab1' is unreachable"
    eventually(lambda: service.get("/api/servers/1")["state"] == "reachable", "the host is back", 60)
    eventually(lambda: service.vm_named("orphan") is None, "the VM is forgotten", 60)
    assert (domains(lab_host), disks(lab_host)) == ([], [])
    job = service.get("/api/jobs?per_page=100")["items"][-1]
    assert (job["state"], job["error"]["code"]) == ("failed", "host_unreachable")
    assert_user_data_is_nowhere(service)
    hold.end()
    assert service.post("/api/vms", name="orphan", **SMALL).status_code == 201


def test_a_service_that_is_told_to_stop_lets_its_jobs_end(service: RunningService, lab_host: Host, hold: Hold) -> None:
    hold.at("vm_create_after", 2)
    request = Request(service, "POST", "/api/vms", name="patient", **SMALL)
    hold.wait()

    service.stop()
    service.start()

    assert request.answered().status_code == 201
    assert service.get("/api/jobs?per_page=100")["items"][-1]["state"] == "succeeded"
    assert domains(lab_host) == ["patient"]
