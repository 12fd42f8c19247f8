# SPDX-License-Identifier: GPL-3.0-or-later
"""Two services on one PostgreSQL and real hosts: what one does, or anybody, is shown by both."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import httpx
import pytest

from lab.host import Host
from tests.service.hosts.fleet import Fleet, Service, fleet, shared_evenly, wait_for
from tests.service.hosts.test_watch import define
from tests.service.machines.lab_service import SMALL, clean_host, clear

__all__ = ["clean_host", "fleet"]

pytestmark = [pytest.mark.lab, pytest.mark.slow]

DIRECT = '{"vm_create": "direct"}'


@pytest.fixture
def there(lab_hosts: list[Host]) -> Iterator[Host]:
    """Another host, of which nothing is left after the test."""
    yield lab_hosts[1]
    clear(lab_hosts[1])


def watching(services: list[Service], host: str) -> tuple[Service, Service]:
    """Whoever watches the host, and the other one."""
    wait_for(lambda: shared_evenly(services, ["lab1", "lab2"]), "each host is watched by one service")
    first, second = services
    return (first, second) if host in first.watched() else (second, first)


def status(service: Service, name: str, headers: Mapping[str, str]) -> str | None:
    """A VM's, as that service shows it."""
    (found,) = service.api.get("/api/vms", params={"search": name}, headers=headers).json()["vms"] or [{}]
    return found.get("status")  # type: ignore[no-any-return]  # JSON


def shows(service: Service, name: str, expected: str, headers: Mapping[str, str]) -> bool:
    """Whether it shows the VM with that status."""
    return status(service, name, headers) == expected


def test_what_happens_on_a_host_both_show_and_a_job_is_left_to_whoever_runs_it(
    fleet: Fleet, clean_host: Host, there: Host, tmp_path: Path
) -> None:
    fields = {"image_pool": "images", "virt_type": clean_host.virt_type}
    fleet.register(("lab1", clean_host.uri), ("lab2", there.uri), **fields)
    services = list(fleet.start(2, HOSTLER_DISPATCH=DIRECT))
    watcher, other = watching(services, "lab1")
    headers = watcher.headers()

    # by nobody of ours
    define(clean_host, tmp_path, "theirs")
    for service in services:
        wait_for(partial(shows, service, "theirs", "stopped", headers), "both show it")
    clean_host.virsh("start", "theirs")
    for service in services:
        wait_for(partial(shows, service, "theirs", "running", headers), "both show it")

    # by the one that does not watch its host
    (server,) = fleet.rows("SELECT id FROM server WHERE hostname = 'lab1'")
    body = {**SMALL, "name": "ours", "server_id": server["id"], "start": True}
    made = other.api.post("/api/vms", json=body, headers=headers)
    assert made.status_code == 201, made.text
    assert status(watcher, "ours", headers) == "running"

    # it never hears of ACPI, so this job takes as long as it may
    answers: list[httpx.Response] = []
    path = f"/api/vms/{made.json()['id']}/stop"

    def stop() -> None:
        answers.append(other.api.post(path, params={"timeout": 40}, headers=headers, timeout=90))

    stopping = threading.Thread(target=stop)
    stopping.start()
    wait_for(lambda: fleet.rows("SELECT id FROM job WHERE state = 'running'") != [], "the job runs")
    began = time.monotonic()
    watcher.kill()
    wait_for(lambda: other.watched() == ["lab1", "lab2"], "the other watches both")
    (third,) = fleet.start(HOSTLER_DISPATCH=DIRECT)
    for _ in itertools.takewhile(lambda _: time.monotonic() < began + 30, itertools.count()):
        (job,) = fleet.rows("SELECT state FROM job WHERE action = 'vm_stop'")
        assert job["state"] == "running"
        time.sleep(0.5)
    stopping.join()

    assert [answer.status_code for answer in answers] == [504]
    assert status(third, "ours", headers) == "running"


def test_a_vm_that_is_migrated_from_the_host_of_one_to_the_host_of_the_other_stays_itself(
    fleet: Fleet, clean_host: Host, there: Host, tmp_path: Path
) -> None:
    fields = {"image_pool": "images", "virt_type": clean_host.virt_type}
    fleet.register(("lab1", clean_host.uri), ("lab2", there.uri), **fields)
    services = list(fleet.start(2, HOSTLER_DISPATCH=DIRECT))
    watcher, _ = watching(services, "lab1")
    headers = watcher.headers()
    identity = define(clean_host, tmp_path, "traveller")
    wait_for(lambda: status(watcher, "traveller", headers) == "stopped", "it is there")
    clean_host.virsh("start", "traveller")
    wait_for(lambda: status(watcher, "traveller", headers) == "running", "it runs")
    (before,) = fleet.rows("SELECT id, server_id FROM vm WHERE uuid = %s", identity)

    clean_host.virsh("migrate", "traveller", there.uri, "--live", "--persistent", "--undefinesource")

    def has_arrived() -> bool:
        found = fleet.rows(
            "SELECT id, status FROM vm WHERE uuid = %s AND server_id <> %s", identity, before["server_id"]
        )
        return found == [{"id": before["id"], "status": "running"}]

    wait_for(has_arrived, "it is on the other host")
    assert len(fleet.rows("SELECT id FROM vm WHERE uuid = %s", identity)) == 1
    told = fleet.rows("SELECT data->>'status' AS status FROM event WHERE vm_id = %s", before["id"])
    assert "error" not in {row["status"] for row in told}
