# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk under the database is full: what can't be written is refused, nothing is lost, and it goes on by itself."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from lab.host import Host
from tests.end_to_end.conftest import RunningService, eventually
from tests.service.machines.lab_service import SMALL

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")]

_MIB = 1024 * 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of few MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.fixture
def service(disk: Path, lab_host: Host) -> Iterator[RunningService]:
    """A service whose state is on that disk."""
    dispatch = '{"vm_create": "direct", "vm_resize": "direct"}'
    service = RunningService(disk, lab_host.uri, lab_host.virt_type, HOSTLER_DISPATCH=dispatch)
    try:
        service.start()
        yield service
    finally:
        service.stop()
        service.client.close()


def fill(disk: Path) -> Path:
    """Take all the room that is left."""
    ballast = disk / "ballast"
    with ballast.open("ab", buffering=0) as file:
        for size in (_MIB, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return ballast


def test_what_can_not_be_written_is_refused_and_it_goes_on_by_itself(
    service: RunningService, disk: Path, lab_host: Host
) -> None:
    vm = service.post("/api/vms", name="there", server_id=1, **SMALL).json()
    path = f"/api/vms/{vm['id']}"
    ballast = fill(disk)

    refused = service.post(f"{path}/start")
    later = service.client.post(f"{path}/start", headers={"Prefer": "respond-async"})
    shown = service.client.get(path)

    for answer in (refused, later):
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable"), answer.text
    assert (shown.status_code, shown.json()["status"]) == (200, "stopped")
    assert lab_host.virsh("domstate", "there") == "shut off"
    ballast.unlink()
    eventually(lambda: service.post(f"{path}/start").status_code == 200, "it goes on")
    assert lab_host.virsh("domstate", "there") == "running"


def test_a_job_that_ends_meanwhile_is_written_down_when_there_is_room_again(
    service: RunningService, disk: Path, lab_host: Host
) -> None:
    vm = service.post("/api/vms", name="deaf", server_id=1, start=True, **SMALL).json()
    path = f"/api/vms/{vm['id']}"
    answers: list[httpx.Response] = []
    # never hears of ACPI, so it is powered off after the two seconds
    stop = threading.Thread(target=lambda: answers.append(service.post(f"{path}/stop?timeout=3&force=true")))
    stop.start()
    eventually(lambda: service.get(path)["status"] == "stopping", "the stop waits for its guest")
    ballast = fill(disk)
    eventually(lambda: lab_host.virsh("domstate", "deaf") == "shut off", "it is off")

    ballast.unlink()
    stop.join(60)

    (job,) = service.get("/api/jobs?action=vm_stop")["items"]
    assert job["state"] in ("succeeded", "failed"), job
    eventually(lambda: service.get(path)["status"] == "stopped", "what it is is shown")
    assert service.post(f"{path}/start").status_code == 200
