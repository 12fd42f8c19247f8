# SPDX-License-Identifier: GPL-3.0-or-later
"""A real service in a process of its own, beside the lab's host: what a user has, with nothing replaced."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lab.host import Host

PASSWORD = "an admin's password"
SERVER = "lab1"


class RunningService:
    """``hostler serve``, to be killed and started again; `client` is its administrator."""

    def __init__(self, folder: Path, uri: str, virt_type: str, **settings: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.folder = folder
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "HOSTLER_STATE_DIR": str(folder / "state"),
            "HOSTLER_PORT": str(port),
            "HOSTLER_ADMIN_PASSWORD": PASSWORD,
            "HOSTLER_HOOKS_DIR": str(folder / "hooks"),
            **settings,
        }
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False)
        self.program: tuple[str | Path, ...] = ("-m", "hostler")
        """What Python runs as the service."""
        self._process: subprocess.Popen[bytes] | None = None
        self.command("server", "add", SERVER, uri, "--virt-type", virt_type, "--image-pool", "images")

    def command(self, *arguments: str) -> str:
        """Run a ``hostler`` command beside the service and return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "hostler", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self) -> None:
        """Start it, wait until it has reached its host, and log in."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *self.program, "serve"], env=self.environment, stdout=log, stderr=log
            )
        eventually(self._answers, "the service answers")
        login = self.client.post("/api/auth/login", data={"username": "admin", "password": PASSWORD})
        self.client.headers["Authorization"] = f"Bearer {login.json()['access_token']}"
        eventually(lambda: self.get("/api/servers/1")["state"] == "reachable", "the service reaches its host")

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(signal.SIGKILL)

    def is_alive(self, seconds: float) -> bool:
        """Whether it is still there after so many seconds."""
        assert self._process is not None
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return True
        return False

    def stop(self) -> None:
        """Ask it to end, and wait."""
        self._end(signal.SIGTERM)

    def get(self, path: str) -> Any:
        """Return the body of a GET that has to succeed."""
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, **body: Any) -> httpx.Response:
        """Return the answer of a POST."""
        return self.client.post(path, json=body)

    def vm_named(self, name: str) -> dict[str, Any] | None:
        """Return the VM of that name as the list shows it."""
        found = self.get(f"/api/vms?search={name}")["vms"]
        return next((vm for vm in found if vm["name"] == name), None)

    def log(self) -> str:
        """Return all that the service has logged."""
        return (self.folder / "log").read_text()

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log()
        try:
            return self.client.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait(timeout=40)


def eventually(happened: Any, what: str, seconds: float = 30) -> None:
    """Wait until ``happened()`` is true; fail with ``what`` otherwise."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def service(lab_host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service that runs; whoever kills it starts it again."""
    folder = tmp_path_factory.mktemp("service")
    (folder / "hooks").mkdir()
    service = RunningService(folder, lab_host.uri, lab_host.virt_type)
    try:
        service.start()
        yield service
    finally:
        service.stop()
        service.client.close()


@pytest.fixture(autouse=True)
def clean_host(lab_host: Host) -> Iterator[None]:
    """No guest and no disk is left after a test."""
    yield
    for name in lab_host.virsh("list", "--all", "--name").split():
        if lab_host.virsh("domstate", name) != "shut off":
            lab_host.virsh("destroy", name)
        lab_host.virsh("undefine", name, "--nvram")
    for disk in lab_host.layout.pools["default"].iterdir():
        disk.unlink()
    lab_host.virsh("pool-refresh", "default")
