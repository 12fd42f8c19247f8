# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's service: ``hostler serve`` in the background, with the lab's host registered."""

import dataclasses
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx

from lab.demo.environment import Environment
from lab.errors import LabError
from lab.processes import Process, end_processes_with, processes_with

SERVER = "demo-host"
USUAL_PORT = 8470
START_SECONDS = 30
STOP_SECONDS = 40
_LISTENING = re.compile(r"is listening on (\S+)$", re.MULTILINE)
_PORT_TAKEN = "Address already in use"


class Service:
    """The service of the demo in a folder. Its processes carry the folder as TMPDIR, and are found by that."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._temporary = folder / "tmp"
        self._started: subprocess.Popen[bytes] | None = None

    def answers(self) -> bool:
        """Whether the service runs."""
        return bool(self._processes())

    def up(self, environment: Environment, virt_type: str) -> Environment:
        """Start the service unless it answers, and see that it knows the host; answer the completed environment."""
        if not (environment.url and self._processes() and _healthy(environment.url)):
            end_processes_with(str(self._temporary))
            environment = dataclasses.replace(environment, url=self._start(environment, virt_type))
            environment.write(self._folder)
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
        if self._started is not None:
            self._started.wait()

    def remove(self) -> None:
        """Remove the folder, its database and its log with it."""
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._folder.exists():
            raise LabError(f"{self._folder} can't be removed")

    def _processes(self) -> list[Process]:
        return [process for process in processes_with(str(self._temporary)) if "serve" in process.command]

    def _start(self, environment: Environment, virt_type: str) -> str:
        """Start it on the port of before if it is free, else on the usual one, else on any; answer its URL."""
        self._temporary.mkdir(mode=0o700, exist_ok=True)
        variables = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._folder),
            "LANG": "C.UTF-8",
            "TMPDIR": str(self._temporary),
            "HOSTLER_STATE_DIR": str(self._folder / "state"),
            "HOSTLER_ADMIN_PASSWORD": environment.password,
        }
        self._register(environment.libvirt_uri, virt_type, variables)
        for port in (environment.url.rpartition(":")[2] or USUAL_PORT, USUAL_PORT, 0):
            url = self._serve(variables | {"HOSTLER_PORT": str(port)})
            if url is not None:
                return url
        raise LabError("there is no free TCP port on 127.0.0.1")

    def _serve(self, variables: dict[str, str]) -> str | None:
        """Start the service on that port and answer its URL once it answers, or None where others have the port.

        Where it listens is what the service says itself: whoever else answers there may be somebody else's.
        """
        path = self._folder / "service.log"
        with path.open("ab") as log:
            begin = log.tell()
            service = self._started = subprocess.Popen(
                [sys.executable, "-m", "hostler", "serve"],
                env=variables,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            ended = service.poll() is not None
            said = path.read_bytes()[begin:].decode(errors="replace")
            if listening := _LISTENING.search(said):
                return listening[1]
            if ended and _PORT_TAKEN in said:
                return None
            if ended or time.monotonic() > deadline:
                raise LabError(f"the service does not start; {path} says why")
            time.sleep(0.05)

    def _register(self, libvirt_uri: str, virt_type: str, variables: dict[str, str]) -> None:
        listed = _hostler(variables, "server", "list")
        if SERVER not in listed.split():
            _hostler(
                variables,
                *("server", "add", SERVER, libvirt_uri),
                *("--virt-type", virt_type, "--image-pool", "images"),
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
