# SPDX-License-Identifier: GPL-3.0-or-later
"""The service killed while a job is at AWX: the next one takes the job up and brings it to its end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lab.host import Host
from tests.awx_setup.controller.faults import Fault
from tests.end_to_end.conftest import RunningService, eventually
from tests.service.awx.conftest import WAITS, Awx, open_gate
from tests.service.machines.lab_service import clear, domains, volumes

pytestmark = pytest.mark.lab

SMALL = {"server_id": 1, "cpu_cores": 1, "memory_mb": 64, "disk_gb": 0.125, "network_config": {"type": "none"}}


@pytest.fixture
def service(tmp_path: Path, lab_host: Host, awx: Awx) -> Iterator[RunningService]:
    """A service of its own process whose playbooks run at AWX."""
    (tmp_path / "service").mkdir()
    service = RunningService(
        tmp_path / "service",
        lab_host.uri,
        lab_host.virt_type,
        HOSTLER_HOOKS_DIR="",
        HOSTLER_EXECUTOR="awx",
        HOSTLER_AWX_URL=awx.controller.url,
        HOSTLER_AWX_TOKEN=awx.controller.access.token,
        HOSTLER_AWX_TIMEOUT_SECONDS="2",
        HOSTLER_AWX_ABSENCE_SECONDS="5",
    )
    service.start()
    yield service
    service.kill()
    service.client.close()
    clear(lab_host)


def begin(service: RunningService, path: str, **body: Any) -> threading.Thread:
    """Ask for something, and be gone when the service is."""

    def ask() -> None:
        try:
            service.post(path, **body)
        except httpx.TransportError:
            pass

    client = threading.Thread(target=ask)
    client.start()
    return client


def waits(awx: Awx) -> bool:
    return any(
        event["task"] == WAITS["name"] for job in awx.launched for event in awx.controller.jobs.events[job["id"]]
    )


def newest(service: RunningService) -> dict[str, Any]:
    jobs = service.get("/api/jobs?per_page=100")["items"]
    found: dict[str, Any] = service.get(f"/api/jobs/{max(job['id'] for job in jobs)}")
    return found


def step_is_told(service: RunningService) -> bool:
    return any(step["name"] == WAITS["name"] for step in newest(service)["steps"])


def test_a_create_goes_on_and_its_log_has_no_gap_and_nothing_twice(
    service: RunningService, lab_host: Host, awx: Awx
) -> None:
    awx.hook("vm_create_before", WAITS)
    client = begin(service, "/api/vms", name="goes-on", **SMALL)
    eventually(lambda: waits(awx) and step_is_told(service), "the service has told of the step that waits")
    service.kill()
    client.join()

    service.start()
    eventually(lambda: any("started again" in line["line"] for line in newest(service)["log"]), "it is taken up")
    assert newest(service)["state"] == "running"
    open_gate(awx)
    eventually(lambda: newest(service)["state"] != "running", "the job has ended")

    job = newest(service)
    assert job["state"] == "succeeded", job["error"]
    assert job["result"]["vm"]["name"] == "goes-on"
    assert service.vm_named("goes-on") is not None
    assert domains(lab_host) == {"goes-on"}
    assert len(awx.launched) == 1
    names = [step["name"] for step in job["steps"]]
    tasks = [line["line"] for line in job["log"] if line["line"].startswith("TASK [")]
    assert [line.removeprefix("TASK [").partition("] *")[0] for line in tasks] == names
    assert {step["state"] for step in job["steps"]} <= {"succeeded", "skipped"}
    assert [step["position"] for step in job["steps"]] == list(range(len(names)))


def test_a_create_that_ended_meanwhile_is_known_as_it_ended(service: RunningService, lab_host: Host, awx: Awx) -> None:
    awx.hook("vm_create_before", WAITS)
    awx.hook("vm_create_after", {"name": "Register it", "ansible.builtin.fail": {"msg": "The IPAM says no."}})
    client = begin(service, "/api/vms", name="ends", **SMALL)
    eventually(lambda: waits(awx), "it runs at AWX")
    service.kill()
    client.join()
    open_gate(awx)
    eventually(lambda: bool(awx.launched[0]["event_processing_finished"]), "it has ended at AWX")
    assert domains(lab_host) == {"ends"}

    service.start()
    eventually(lambda: newest(service)["state"] != "running", "the job has ended")

    job = newest(service)
    assert (job["state"], job["error"]["detail"]) == ("failed", "Failed to create VM: The IPAM says no")
    assert domains(lab_host) == volumes(lab_host) == set()
    assert service.vm_named("ends") is None


def test_a_create_whose_launch_was_not_answered_when_the_service_was_killed_is_found(
    service: RunningService, lab_host: Host, awx: Awx
) -> None:
    awx.hook("vm_create_before", WAITS)
    awx.controller.faults.append(Fault("silence", path="/launch/$", method="POST", times=1, heard=True))
    client = begin(service, "/api/vms", name="found", **SMALL)
    eventually(lambda: bool(awx.launched), "it is launched")
    service.kill()
    client.join()
    open_gate(awx)

    service.start()
    eventually(lambda: newest(service)["state"] != "running", "the job has ended")

    job = newest(service)
    assert (job["state"], job["external_id"]) == ("succeeded", str(awx.launched[0]["id"])), job["error"]
    assert len(awx.launched) == 1
    assert domains(lab_host) == {"found"}


def test_a_create_that_was_never_launched_has_failed(service: RunningService, lab_host: Host, awx: Awx) -> None:
    awx.controller.faults.append(Fault("silence", path="/launch/$", method="GET"))
    client = begin(service, "/api/vms", name="never", **SMALL)
    eventually(lambda: service.get("/api/jobs?state=running")["total"] == 1, "there is a job")
    service.kill()
    client.join()
    awx.controller.faults.clear()

    service.start()
    eventually(lambda: newest(service)["state"] != "running", "the job has ended")

    job = newest(service)
    assert (job["state"], job["error"]["code"]) == ("failed", "cut_off")
    assert job["error"]["detail"] == "The service was stopped before AWX launched the job"
    assert awx.launched == []
    assert service.vm_named("never") is None


def test_a_resize_with_a_rename_is_brought_to_its_end(service: RunningService, lab_host: Host, awx: Awx) -> None:
    made = service.post("/api/vms", name="before", **SMALL)
    assert made.status_code == 201, made.text
    awx.hook("vm_resize_before", WAITS)

    def change() -> None:
        try:
            service.client.put(f"/api/vms/{made.json()['id']}", json={"memory_mb": 96, "description": "after"})
        except httpx.TransportError:
            pass

    client = threading.Thread(target=change)
    client.start()
    eventually(lambda: waits(awx), "it runs at AWX")
    service.kill()
    client.join()
    open_gate(awx)

    service.start()
    eventually(lambda: newest(service)["state"] != "running", "the job has ended")

    assert newest(service)["state"] == "succeeded", newest(service)["error"]
    shown = service.get(f"/api/vms/{made.json()['id']}")
    assert (shown["description"], shown["resources"]["memory_mb"]) == ("after", 96)
    assert service.post(f"/api/vms/{made.json()['id']}/start").status_code == 200


def test_a_job_that_was_taken_up_can_be_canceled(service: RunningService, lab_host: Host, awx: Awx) -> None:
    awx.hook("vm_create_after", WAITS)
    client = begin(service, "/api/vms", name="unwanted", **SMALL)
    eventually(lambda: waits(awx), "it runs at AWX")
    service.kill()
    client.join()
    service.start()
    eventually(lambda: any("started again" in line["line"] for line in newest(service)["log"]), "it is taken up")

    answer = service.post(f"/api/jobs/{newest(service)['id']}/cancel")

    assert answer.json()["state"] == "canceled"
    assert [job["status"] for job in awx.launched] == ["canceled"]
    assert domains(lab_host) == volumes(lab_host) == set()


def test_a_service_that_stops_in_order_leaves_the_job_to_the_next(
    service: RunningService, lab_host: Host, awx: Awx
) -> None:
    service.environment["HOSTLER_SHUTDOWN_SECONDS"] = "1"
    service.kill()
    service.start()
    awx.hook("vm_create_before", WAITS)
    client = begin(service, "/api/vms", name="kept", **SMALL)
    eventually(lambda: waits(awx), "it runs at AWX")
    service.stop()
    client.join()
    assert awx.launched[0]["status"] == "running"
    open_gate(awx)

    service.start()
    eventually(lambda: newest(service)["state"] != "running", "the job has ended")

    assert newest(service)["state"] == "succeeded", newest(service)["error"]
    assert domains(lab_host) == {"kept"}
