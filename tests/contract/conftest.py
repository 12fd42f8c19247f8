# SPDX-License-Identifier: GPL-3.0-or-later
"""The API contract's examples against what ``make demo`` starts, sent by curl as a reader would type them."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lab.cache import REPOSITORY, cache_folder
from lab.demo.environment import Environment

AUTHORIZED = "Authorization: Bearer {token}"
JSON = "Content-Type: application/json"


class Answer(NamedTuple):
    """Status and body of an answer."""

    status: int
    body: Any


@dataclass(frozen=True)
class Demo:
    """A running demo: its folder, its URL and a token that may do everything."""

    folder: Path
    url: str
    token: str

    def curl(self, method: str, path: str, body: str | None = None, token: str | None = None) -> Answer:
        """Send a request of the contract; ``body`` as it stands there, ``token`` "" for none at all."""
        command = ["curl", "-sS", "--noproxy", "*", "-X", method, "-w", "\n%{http_code}"]
        bearer = self.token if token is None else token
        if bearer:
            command += ["-H", AUTHORIZED.format(token=bearer)]
        if body is not None:
            command += ["-H", JSON, "-d", body]
        done = subprocess.run([*command, self.url + path], capture_output=True, text=True, timeout=180, check=True)
        text, _, status = done.stdout.rpartition("\n")
        return Answer(int(status), json.loads(text))

    @property
    def guest(self) -> dict[str, Any]:
        """The demo's own guest, which has booted and listens to its power button."""
        found = self.curl("GET", "/api/vms?search=demo").body["vms"]
        vm: dict[str, Any] = next(vm for vm in found if vm["name"] == "demo")
        return vm


@pytest.fixture(scope="session")
def demo() -> Iterator[Demo]:
    """What ``make demo`` starts, in a folder of its own."""
    # not in /tmp, which may be memory: the contract's VM has a disk of 20 GiB
    with tempfile.TemporaryDirectory(prefix="contract-", dir=cache_folder()) as parent:
        folder = Path(parent) / "demo"
        try:
            _demo("up", folder)
            environment = Environment.kept_or_new(folder, libvirt_uri="")
            yield Demo(folder, environment.url, environment.token)
        finally:
            _demo("down", folder)


@pytest.fixture
def vm(demo: Demo) -> Iterator[dict[str, Any]]:
    """The contract's new VM, off and with a blank disk, under a name of the test's own."""
    body = EXAMPLE | {"name": f"my-new-vm-{uuid.uuid4().hex[:6]}", "server_id": demo.guest["server"]["id"]}
    made = demo.curl("POST", "/api/vms", json.dumps(body))
    assert made.status == 201, made
    yield made.body
    demo.curl("PUT", f"/api/vms/{made.body['id']}", '{"protected": false}')
    demo.curl("DELETE", f"/api/vms/{made.body['id']}")


EXAMPLE: dict[str, Any] = {
    "name": "my-new-vm",
    "server_id": 1,
    "cpu_cores": 2,
    "memory_mb": 2048,
    "disk_gb": 20.0,
    "os_type": "linux",
    "os_version": "Ubuntu 22.04",
    "network_config": {"type": "nat"},
}
"""The body of the contract's create."""

Shape = Callable[[Any], bool]


def assert_has(body: Any, shape: Any, where: str = "the answer") -> None:
    """Fail unless ``body`` has every field of ``shape``, each of the type that stands there, to any depth."""
    if isinstance(shape, dict):
        assert isinstance(body, dict), f"{where} is no object: {body!r}"
        for name, inner in shape.items():
            assert name in body, f"{where} lacks {name!r}: {body!r}"
            assert_has(body[name], inner, f"{where}.{name}")
    elif isinstance(shape, list):
        assert isinstance(body, list) and body, f"{where} is no list of anything: {body!r}"
        for item in body:
            assert_has(item, shape[0], f"{where}[]")
    else:
        assert isinstance(body, shape), f"{where} is {body!r}, no {shape}"
        assert isinstance(body, bool) == (shape is bool), f"{where} is {body!r}, no {shape}"


def _demo(command: str, folder: Path) -> None:
    arguments = [sys.executable, "-m", "lab.demo", command, "--dir", str(folder)]
    done = subprocess.run(arguments, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{shlex.join(arguments)}: {done.stdout}{done.stderr}"
