# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to VMs while something is killed, and what there has to be afterwards, whether it succeeded or not."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import libvirt

from bench.errors import BenchError
from bench.guests import SMALL
from chaos.api import Api
from lab.cache import REPOSITORY
from lab.errors import LabError
from lab.host import Host

PREFIX = "ours"
SUCCEEDED = "succeeded"
_DISK_GB = 0.02
_SIZES_MB = (32, 40, 48)
_PLAYBOOK_SECONDS = 120.0


class Operation(ABC):
    """One kind of operation: it is begun, something is killed, it ends, and its result is looked at."""

    def __init__(self, api: Api, host: Host) -> None:
        self._api = api
        self._host = host
        self._job = 0

    @abstractmethod
    def begin(self) -> None:
        """Have it done by others, and come back while they are at it."""

    def end(self) -> str:
        """Wait for it; the state that it ended in."""
        return str(self._api.end_of(self._job)["state"])

    @abstractmethod
    def wrong(self, state: str) -> list[str]:
        """What is not as it has to be after it ended in that state."""

    @abstractmethod
    def tidy(self) -> None:
        """Leave nothing that the next one could stumble over."""

    def _vm(self, number: int) -> dict[str, Any] | None:
        answer = self._api.ask("GET", f"/api/vms/{number}")
        return answer.json() if answer.is_success else None

    def _named(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._api.ask("GET", f"/api/vms?search={name}").json()["vms"]
        return [vm for vm in found if vm["name"] == name]

    def _made(self, name: str) -> int:
        """A VM that nobody disturbs."""
        answer = self._api.ask("POST", "/api/vms", {"name": name, "server_id": 1, **SMALL, "disk_gb": _DISK_GB})
        answer.raise_for_status()
        return int(answer.json()["id"])

    def _removed(self, number: int) -> None:
        vm = self._vm(number)
        if vm is not None:
            if vm["status"] in ("running", "paused"):
                self._api.ask("POST", f"/api/vms/{number}/force-stop")
            self._api.ask("DELETE", f"/api/vms/{number}").raise_for_status()


class Create(Operation):
    """A VM is made by the playbook."""

    _numbers = itertools.count(1)

    def begin(self) -> None:
        """Ask for it."""
        self._name = f"{PREFIX}-made-{next(self._numbers)}"
        body = {"name": self._name, "server_id": 1, **SMALL, "disk_gb": _DISK_GB}
        self._job = self._api.begin("POST", "/api/vms", body)

    def wrong(self, state: str) -> list[str]:
        """One VM, or none."""
        number = len(self._named(self._name))
        return [] if number == (state == SUCCEEDED) else [f"{self._name}: its create {state}, and there are {number}"]

    def tidy(self) -> None:
        """Remove it."""
        for vm in self._named(self._name):
            self._removed(vm["id"])


class Clone(Operation):
    """A VM is made of another one by the playbook, which an operator runs and, where it was killed, runs again."""

    _numbers = itertools.count(1)

    def __init__(self, api: Api, host: Host) -> None:
        super().__init__(api, host)
        self._source = f"{PREFIX}-source"
        self._made(self._source)
        self._run: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Run it."""
        self._name = f"{PREFIX}-clone-{next(self._numbers)}"
        self._run = self._playbook()

    @property
    def pid(self) -> int:
        """The playbook's process, which leads a group of its own."""
        assert self._run is not None  # noqa: S101 - it was begun
        return self._run.pid

    def end(self) -> str:
        """Run it again where it did not come to its end."""
        assert self._run is not None  # noqa: S101 - it was begun
        code = _code(self._run)
        if code:
            code = _code(self._playbook())
        return "failed" if code else SUCCEEDED

    def wrong(self, state: str) -> list[str]:
        """One VM, after the second run at the latest, and its source as it was."""
        number = len(self._named(self._name))
        found = [] if state == SUCCEEDED else [f"{self._name} can't be made any more"]
        found += [] if number == 1 else [f"{self._name} is there {number} times"]
        return found + ([] if len(self._named(self._source)) == 1 else [f"{self._source} is lost"])

    def tidy(self) -> None:
        """Remove it."""
        for vm in self._named(self._name):
            self._removed(vm["id"])

    def _playbook(self) -> subprocess.Popen[bytes]:
        words = {"vm_name": self._name, "vm_source": self._source, "libvirt_uri": self._host.uri}
        asked = [part for name, value in words.items() for part in ("-e", f"{name}={value}")]
        return subprocess.Popen(
            [Path(sys.executable).parent / "ansible-playbook", "playbooks/vm_clone.yml", *asked],
            cwd=REPOSITORY,
            env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


class Resize(Operation):
    """A VM gets other memory, and a larger disk, by the playbook."""

    _numbers = itertools.count(1)

    def begin(self) -> None:
        """Ask for it."""
        self._id = self._made(f"{PREFIX}-resized-{next(self._numbers)}")
        self._before = self._sizes()
        self._asked = (next(size for size in _SIZES_MB if size != self._before[0]), _DISK_GB * 2)
        body = {"memory_mb": self._asked[0], "disk_gb": self._asked[1]}
        self._job = self._api.begin("POST", f"/api/vms/{self._id}/resize", body)

    def wrong(self, state: str) -> list[str]:
        """As asked, or, where it failed, each size as it was or as asked."""
        now = self._sizes()
        if state == SUCCEEDED:
            return [] if now == self._asked else [f"VM {self._id} is {now}, and not {self._asked} as asked"]
        either = zip(self._before, self._asked, strict=True)
        is_one_of_both = all(size in both for size, both in zip(now, either, strict=True))
        return [] if is_one_of_both else [f"VM {self._id} is {now}: neither {self._before} nor {self._asked}"]

    def tidy(self) -> None:
        """Remove it."""
        self._removed(self._id)

    def _sizes(self) -> tuple[int, float]:
        vm = self._vm(self._id)
        assert vm is not None  # noqa: S101 - it was made, and whoever loses it is told so
        return vm["resources"]["memory_mb"], round(vm["resources"]["disk_gb"], 4)


class Delete(Operation):
    """A VM is deleted."""

    _numbers = itertools.count(1)

    def begin(self) -> None:
        """Ask for it."""
        self._id = self._made(f"{PREFIX}-deleted-{next(self._numbers)}")
        self._job = self._api.begin("DELETE", f"/api/vms/{self._id}")

    def wrong(self, state: str) -> list[str]:
        """It is gone, or can be deleted again."""
        if state == SUCCEEDED:
            return [] if self._vm(self._id) is None else [f"VM {self._id} was deleted, and is there"]
        answer = self._api.ask("DELETE", f"/api/vms/{self._id}")
        return [] if answer.status_code in (200, 404) else [f"VM {self._id} can't be deleted: {answer.text}"]

    def tidy(self) -> None:
        """It is gone by now."""
        self._removed(self._id)


class Snapshot(Operation):
    """A snapshot is taken of a VM that runs, with its memory."""

    _numbers = itertools.count(1)

    def begin(self) -> None:
        """Ask for it."""
        self._name = f"{PREFIX}-snapshot-{next(self._numbers)}"
        self._id = self._made(self._name)
        self._api.ask("POST", f"/api/vms/{self._id}/start").raise_for_status()
        self._job = self._api.begin("POST", "/api/vms/actions", {"action": "snapshot", "ids": [self._id]})

    def end(self) -> str:
        """That of the VM's own job, once both have ended."""
        super().end()
        (job,) = self._api.ask("GET", f"/api/jobs?parent_id={self._job}").json()["items"]
        return str(self._api.end_of(job["id"])["state"])

    def wrong(self, state: str) -> list[str]:
        """One snapshot; where it failed none, or one that is whole."""
        vm = self._vm(self._id)
        if vm is None:
            return [f"{self._name} is lost"]
        number = self._snapshots()
        allowed = (1,) if state == SUCCEEDED else (0, 1)
        return [] if number in allowed else [f"{self._name}: its snapshot {state}, and there are {number}"]

    def tidy(self) -> None:
        """Remove it, with its snapshot."""
        self._removed(self._id)

    def guest(self) -> int | None:
        """The process of the VM's QEMU."""
        with contextlib.suppress(LabError):
            return int(self._host.guest_process(self._name).pid)
        return None

    def _snapshots(self) -> int:
        with contextlib.closing(libvirt.open(self._host.uri)) as connection:
            return int(connection.lookupByName(self._name).snapshotNum())


def _code(run: subprocess.Popen[bytes]) -> int:
    try:
        return run.wait(_PLAYBOOK_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        return run.wait()


def usual_seconds(operation: Operation) -> float:
    """How long it takes where nobody disturbs it. Raises BenchError if it is wrong then."""
    operation.begin()
    began = time.monotonic()
    state = operation.end()
    took = time.monotonic() - began
    if problems := operation.wrong(state):
        raise BenchError(f"wrong without any fault: {problems}")
    operation.tidy()
    return took
