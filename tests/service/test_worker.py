# SPDX-License-Identifier: GPL-3.0-or-later
"""``hostler worker``: jobs that wait are carried out by processes beside the service, and none is lost with one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hostler.settings import Settings, SettingsError
from lab.host import Host
from tests.service.hosts.fleet import Fleet, fleet, wait_for
from tests.service.machines.lab_service import SMALL, clean_host, domains
from tests.service.serving import read_until

__all__ = ["clean_host", "fleet"]

RATHER = {"Prefer": "respond-async"}

Worker = subprocess.Popen[str]
Hire = Callable[[], Worker]


def environment_of(fleet: Fleet, state: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HOSTLER_")}
    return inherited | {
        "HOSTLER_STATE_DIR": str(state),
        "HOSTLER_DATABASE_URL": fleet.url,
        "HOSTLER_SEALING_KEY": "k" * 43,
        "HOSTLER_DISPATCH": '{"vm_create": "direct", "vm_resize": "direct"}',
        "HOSTLER_WARM_START": "false",
        "HOSTLER_SHUTDOWN_SECONDS": "20",
    }


@pytest.fixture
def hire(fleet: Fleet, tmp_path: Path) -> Iterator[Hire]:
    """Start a worker; all of them have the same settings."""
    workers: list[Worker] = []

    def start() -> Worker:
        with (tmp_path / f"worker{len(workers)}.log").open("w") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", "hostler", "worker"],
                env=environment_of(fleet, tmp_path / "workers"),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        workers.append(worker)
        read_until(worker, "carries out jobs$")
        return worker

    yield start
    for worker in workers:
        if worker.poll() is None:
            worker.kill()
        worker.communicate()


class Desk:
    """The service, which carries out no job that waits, and its administrator."""

    def __init__(self, fleet: Fleet, host: Host) -> None:
        fleet.register(("lab1", host.uri), image_pool="images", virt_type=host.virt_type)
        (self.service,) = fleet.start(HOSTLER_TAKES_JOBS="false")
        self.headers = dict(self.service.headers())
        self.fleet = fleet
        wait_for(lambda: self.service.get("/api/servers/1")["state"] == "reachable", "the service reaches the host")

    def ask(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        """Have a job queued."""
        answer: httpx.Response = self.service.api.request(
            method, path, json=body or None, headers={**self.headers, **RATHER}
        )
        assert answer.status_code == 202, answer.text
        return dict(answer.json())

    def ended(self, job: dict[str, Any]) -> dict[str, Any]:
        """The job, when it has ended."""
        path = f"/api/jobs/{job['id']}"
        wait_for(lambda: self.service.get(path)["finished_at"] is not None, "the job ends")
        return dict(self.service.get(path))

    def done_by(self, job: dict[str, Any]) -> int:
        """The process that carried it out."""
        (row,) = self.fleet.rows("SELECT lease_owner FROM job WHERE id = %s", job["id"])
        return int(row["lease_owner"].split(":")[1])

    def waits_for_guest(self, job: dict[str, Any]) -> bool:
        """Whether the job has asked its guest, and waits."""
        steps = self.service.get(f"/api/jobs/{job['id']}")["steps"]
        return any(step["name"].startswith("Wait up to") for step in steps)


@pytest.fixture
def desk(fleet: Fleet, clean_host: Host) -> Desk:
    return Desk(fleet, clean_host)


@pytest.mark.lab
@pytest.mark.slow
def test_workers_carry_out_what_waits_and_each_has_a_place_of_its_own(
    desk: Desk, hire: Hire, clean_host: Host, tmp_path: Path
) -> None:
    body = {"name": "made", "server_id": 1, **SMALL, "start": True, "cloud_init": {"hostname": "made"}}
    made = desk.ask("POST", "/api/vms", **body)
    assert made["state"] == "queued"
    workers = {hire().pid, hire().pid}

    jobs = [desk.ended(made)]
    for verb in ("force-stop", "start", "reset"):
        jobs.append(desk.ended(desk.ask("POST", f"/api/vms/{made['vm_id']}/{verb}")))

    assert [job["state"] for job in jobs] == ["succeeded"] * 4
    assert {desk.done_by(job) for job in jobs} <= workers
    wait_for(lambda: desk.service.get(f"/api/vms/{made['vm_id']}")["status"] == "running", "the service shows it")
    assert sorted(path.name for path in (tmp_path / "workers/workers").iterdir()) == ["1", "2"]
    gone = desk.ended(desk.ask("DELETE", f"/api/vms/{made['vm_id']}"))
    assert (gone["state"], domains(clean_host)) == ("succeeded", set())


@pytest.mark.lab
@pytest.mark.slow
def test_what_a_killed_worker_was_at_is_settled_and_what_waited_is_done(
    desk: Desk, hire: Hire, clean_host: Host
) -> None:
    first = hire()
    made = desk.ended(desk.ask("POST", "/api/vms", name="deaf", server_id=1, start=True, **SMALL))
    path = f"/api/vms/{made['vm_id']}"
    stop = desk.ask("POST", f"{path}/stop?timeout=600")
    wait_for(lambda: desk.waits_for_guest(stop), "the stop waits for its guest")
    behind = desk.ask("PUT", path, description="behind")
    second = hire()

    first.kill()

    lost, done = desk.ended(stop), desk.ended(behind)
    assert (lost["state"], lost["error"]["code"]) == ("failed", "cut_off")
    assert (done["state"], desk.done_by(behind)) == ("succeeded", second.pid)
    assert clean_host.virsh("domstate", "deaf") == "running"
    assert desk.service.get(path)["description"] == "behind"


@pytest.mark.lab
@pytest.mark.slow
def test_a_worker_that_is_told_to_stop_finishes_what_it_is_at_and_leaves_the_rest(
    desk: Desk, hire: Hire, clean_host: Host
) -> None:
    worker = hire()
    made = desk.ended(desk.ask("POST", "/api/vms", name="deaf", server_id=1, start=True, **SMALL))
    path = f"/api/vms/{made['vm_id']}"
    stop = desk.ask("POST", f"{path}/stop?timeout=3&force=true")
    wait_for(lambda: desk.waits_for_guest(stop), "the stop waits for its guest")
    behind = desk.ask("POST", f"{path}/start")

    worker.send_signal(signal.SIGTERM)

    assert worker.wait(60) == 0
    assert desk.ended(stop)["state"] == "succeeded"
    assert desk.service.get(f"/api/jobs/{behind['id']}")["state"] == "queued"
    hire()
    assert desk.ended(behind)["state"] == "succeeded"


def test_a_worker_without_postgresql_says_so(settings: Settings) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HOSTLER_")}
    done = subprocess.run(
        [sys.executable, "-m", "hostler", "worker"],
        env=environment | {"HOSTLER_STATE_DIR": str(settings.state_dir)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr == (
        "hostler: A worker needs PostgreSQL (HOSTLER_DATABASE_URL): on SQLite the service carries all jobs out itself\n"
    )


def test_a_service_on_sqlite_takes_its_jobs_up_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOSTLER_TAKES_JOBS", "false")
    monkeypatch.setenv("HOSTLER_STATE_DIR", str(tmp_path))

    with pytest.raises(SettingsError, match="'takes_jobs' may be false on PostgreSQL only"):
        Settings.load()
