# SPDX-License-Identifier: GPL-3.0-or-later
"""Those who work over the API. Whoever gets no answer asks again, under the same key: nothing is to be done twice."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import httpx

from bench.guests import SMALL
from chaos.worker import Worker

OURS = "ours"
_MOST = 5  # VMs of one caller
_PATIENCE_SECONDS = 120.0
# absent, busy, its host unreachable; in the wrong state; what libvirt itself failed at, as where a QEMU is killed; and
# what was under way when the service was
_REFUSALS = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE)
_REFUSED_WITH = ("wrong_state", "operation_failed", "cut_off", "vm_not_found", "vm_unreachable")
_OPEN = ("queued", "running")
_LATER = {"Prefer": "respond-async"}


class Caller(Worker):
    """Somebody who makes VMs, and does with them what one does."""

    def __init__(self, number: int, url: str, token: str, servers: Sequence[int], seed: int) -> None:
        super().__init__(f"caller-{number}", seed, 0.1, 0.6)
        self._number = number
        self._servers = servers
        self._client = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=_PATIENCE_SECONDS, trust_env=False
        )
        self._made = 0
        self.have: dict[int, str] = {}
        """The VMs that it was told it has: ids and names."""
        self.deleted: set[int] = set()
        """Those of which it was told that they are gone."""
        self.wrong: list[str] = []
        """Answers that there must not be."""
        self.slowest = 0.0
        """Seconds that it waited for an answer at most."""

    def close(self) -> None:
        """Keep no connection."""
        self._client.close()

    def act(self) -> None:
        """Make a VM, or do something with one."""
        if len(self.have) < _MOST and (not self.have or self.random.random() < 0.3):
            self._create()
            return
        vm = self.random.choice(list(self.have))
        verb = self.random.choice(
            ["start", "start", "force-stop", "reset", "change", "resize", "later", "many", "delete", "show"]
        )
        if verb == "delete":
            self._delete(vm)
        elif verb == "change":
            self._ask("PUT", f"/api/vms/{vm}", {"description": f"{self.random.random()}"})
        elif verb == "resize":
            self._ask("POST", f"/api/vms/{vm}/resize", {"memory_mb": self.random.choice([32, 40, 48])})
        elif verb == "show":
            self._ask("GET", "/api/vms")
            self._ask("GET", f"/api/vms/{vm}")
        elif verb == "later":
            asked = [
                self._ask("POST", f"/api/vms/{vm}/{self.random.choice(['start', 'force-stop', 'reset'])}", **_LATER)
                for _ in range(3)
            ]
            for answer in asked:
                self._see_it_end(answer)
        elif verb == "many":
            action = self.random.choice(["start", "force-stop", "reset"])
            self._see_it_end(
                self._ask("POST", "/api/vms/actions", {"action": action, "ids": list(self.have), "at_once": 2})
            )
        else:
            self._ask("POST", f"/api/vms/{vm}/{verb}")

    def _delete(self, vm: int) -> None:
        answer = self._ask("DELETE", f"/api/vms/{vm}")
        if answer is not None and answer.status_code in (HTTPStatus.OK, HTTPStatus.NOT_FOUND):
            self.deleted.add(vm)
        if answer is None or answer.status_code != HTTPStatus.CONFLICT:
            del self.have[vm]  # where its host was lost meanwhile, it goes later, or has stayed

    def _see_it_end(self, answer: httpx.Response | None) -> None:
        """Wait for the end of a job that was accepted; what it ends with is as what a write is answered with."""
        if answer is None or answer.status_code != HTTPStatus.ACCEPTED:
            return
        path = f"/api/jobs/{answer.json()['id']}"
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            shown = self._ask("GET", path)
            if shown is not None and shown.is_success and shown.json()["state"] not in _OPEN:
                self.did[f"job {shown.json()['state']}"] += 1
                return
            self.wait(0.2)
        self.wrong.append(f"{path} does not end")

    def _create(self) -> None:
        self._made += 1
        name = f"{OURS}-{self._number}-{self._made}"
        body = {"name": name, "server_id": self.random.choice(self._servers), **SMALL, "disk_gb": 0.02}
        answer = self._ask("POST", "/api/vms", body)
        if answer is not None and answer.status_code == HTTPStatus.CREATED:
            self.have[answer.json()["id"]] = name

    def _ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response | None:
        what = f"{method} {'/'.join('{id}' if part.isdecimal() else part for part in path.split('/'))}"
        if method != "GET":
            headers["Idempotency-Key"] = str(uuid.UUID(int=self.random.getrandbits(128)))
        began = time.monotonic()
        answer = self._answered(method, path, body, headers)
        if answer is None:
            self.wrong.append(f"{what}: no answer within {_PATIENCE_SECONDS:g} s")
            return None
        self.slowest = max(self.slowest, time.monotonic() - began)
        code = "" if answer.is_success else answer.json().get("code")
        self.did[f"{answer.status_code} {code}".strip()] += 1
        if code and answer.status_code not in _REFUSALS and code not in _REFUSED_WITH:
            self.wrong.append(f"{what}: {answer.status_code} {answer.text[:300]}")
        return answer

    def _answered(self, method: str, path: str, body: Any, headers: dict[str, str]) -> httpx.Response | None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                return self._client.request(method, path, json=body, headers=headers)
            except httpx.TransportError:  # it was killed, and is started again
                self.did["no answer"] += 1
                time.sleep(0.2)
        return None
