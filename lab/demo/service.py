# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's service: ``hostler serve`` in the background, with the lab's host registered."""

import dataclasses
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from lab.demo.environment import Environment
from lab.errors import LabError
from lab.host import Host
from lab.processes import Process, end_processes_with, processes_with

SERVER = "demo-host"
USUAL_PORT = 8470
START_SECONDS = 30
STOP_SECONDS = 40


class Service:
    """The service of the demo in a folder. Its processes carry the folder as TMPDIR, and are found by that."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._temporary = folder / "tmp"

    def answers(self) -> bool:
        """Whether the service runs."""
        return bool(self._processes())

    def up(self, environment: Environment, host: Host) -> Environment:
        """Start the service unless it answers, and see that it knows the host; answer the completed environment."""
        if not (environment.url and self._processes() and _healthy(environment.url)):
            end_processes_with(str(self._temporary))
            environment = dataclasses.replace(environment, url=f"http://127.0.0.1:{_free_port(environment.url)}")
            environment.write(self._folder)
            self._start(environment, host)
        environment = dataclasses.replace(environment, token=_valid_token(environment))
        environment.write(self._folder)
        return environment

    def down(self) -> None:
        """End the service; jobs under way may end first."""
        for process in self._processes():
            process.signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while self._processes() and time.monotonic() < deadline:
            time.sleep(0.05)
        end_processes_with(str(self._temporary))

    def remove(self) -> None:
        """Remove the folder, its database and its log with it."""
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._folder.exists():
            raise LabError(f"{self._folder} can't be removed")

    def _processes(self) -> list[Process]:
        return [process for process in processes_with(str(self._temporary)) if "serve" in process.command]

    def _start(self, environment: Environment, host: Host) -> None:
        self._temporary.mkdir(mode=0o700, exist_ok=True)
        variables = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._folder),
            "LANG": "C.UTF-8",
            "TMPDIR": str(self._temporary),
            "HOSTLER_STATE_DIR": str(self._folder / "state"),
            "HOSTLER_PORT": environment.url.rpartition(":")[2],
            "HOSTLER_ADMIN_PASSWORD": environment.password,
        }
        self._register(host, variables)
        with (self._folder / "service.log").open("ab") as log:
            service = subprocess.Popen(
                [sys.executable, "-m", "hostler", "serve"],
                env=variables,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not _healthy(environment.url):
            if service.poll() is not None or time.monotonic() > deadline:
                raise LabError(f"the service does not start; {self._folder / 'service.log'} says why")
            time.sleep(0.05)

    def _register(self, host: Host, variables: dict[str, str]) -> None:
        listed = _hostler(variables, "server", "list")
        if SERVER not in listed.split():
            _hostler(
                variables,
                *("server", "add", SERVER, host.uri),
                *("--virt-type", host.virt_type, "--image-pool", "images"),
            )


def _hostler(variables: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "hostler", *arguments],
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        raise LabError(f"hostler {' '.join(arguments[:2])} failed: {done.stderr.strip()}")
    return done.stdout


def _valid_token(environment: Environment) -> str:
    """The environment's API token if the service knows it, else a new one."""
    with httpx.Client(base_url=environment.url, timeout=10, trust_env=False) as client:
        if environment.token:
            known = client.get("/api/auth/me", headers={"Authorization": f"Bearer {environment.token}"})
            if known.status_code == httpx.codes.OK:
                return environment.token
        login = client.post("/api/auth/login", data={"username": environment.user, "password": environment.password})
        if login.status_code != httpx.codes.OK:
            raise LabError(f"the demo's own password is refused ({login.json()['detail']}): make demo-down, then again")
        bearer = {"Authorization": f"Bearer {login.json()['access_token']}"}
        made = client.post(
            "/api/tokens",
            headers=bearer,
            json={
                "name": f"demo {time.strftime('%F %T')}",
                "scopes": ["read", "write", "admin"],
                "expires_in_days": 30,
            },
        )
        made.raise_for_status()
        return str(made.json()["token"])


def _healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=5, trust_env=False).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _free_port(earlier_url: str) -> int:
    """The port of before if it is free, else the usual one, else any."""
    earlier = earlier_url.rpartition(":")[2]
    for port in (int(earlier) if earlier.isdecimal() else USUAL_PORT, USUAL_PORT, 0):
        with socket.socket() as candidate:
            # as the service does it: a port whose old connections linger is free
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                candidate.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(candidate.getsockname()[1])
    raise LabError("there is no free TCP port on 127.0.0.1")
