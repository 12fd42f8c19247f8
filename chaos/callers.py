# SPDX-License-Identifier: GPL-3.0-or-later
"""Those who work over the API."""

from __future__ import annotations

import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import httpx

from bench.guests import SMALL
from chaos.worker import Worker

OURS = "ours"
_MOST = 5  # VMs of one caller
_PATIENCE_SECONDS = 120.0
# absent, busy, its host unreachable; in the wrong state; and what libvirt itself failed at, as where a QEMU is killed
_REFUSALS = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE)
_REFUSED_WITH = ("wrong_state", "operation_failed")


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

    def act(self) -> None:
        """Make a VM, or do something with one."""
        if len(self.have) < _MOST and (not self.have or self.random.random() < 0.3):
            self._create()
            return
        vm = self.random.choice(list(self.have))
        verb = self.random.choice(["start", "start", "force-stop", "reset", "change", "delete", "show"])
        if verb == "delete":
            answer = self._ask("DELETE", f"/api/vms/{vm}")
            if answer is not None and answer.status_code in (HTTPStatus.OK, HTTPStatus.NOT_FOUND):
                self.deleted.add(vm)
            if answer is None or answer.status_code != HTTPStatus.CONFLICT:
                del self.have[vm]  # where its host was lost meanwhile, it goes later, or has stayed
        elif verb == "change":
            self._ask("PUT", f"/api/vms/{vm}", json={"description": f"{self.random.random()}"})
        elif verb == "show":
            self._ask("GET", "/api/vms")
            self._ask("GET", f"/api/vms/{vm}")
        else:
            self._ask("POST", f"/api/vms/{vm}/{verb}")

    def _create(self) -> None:
        self._made += 1
        name = f"{OURS}-{self._number}-{self._made}"
        body = {"name": name, "server_id": self.random.choice(self._servers), **SMALL, "disk_gb": 0.02}
        answer = self._ask("POST", "/api/vms", json=body)
        if answer is not None and answer.status_code == HTTPStatus.CREATED:
            self.have[answer.json()["id"]] = name

    def _ask(self, method: str, path: str, json: Any = None) -> httpx.Response | None:
        what = f"{method} {'/'.join('{id}' if part.isdecimal() else part for part in path.split('/'))}"
        began = time.monotonic()
        try:
            answer = self._client.request(method, path, json=json)
        except httpx.HTTPError as error:
            self.wrong.append(f"{what}: {error!r}")
            return None
        self.slowest = max(self.slowest, time.monotonic() - began)
        code = "" if answer.is_success else answer.json().get("code")
        self.did[f"{answer.status_code} {code}".strip()] += 1
        if code and answer.status_code not in _REFUSALS and code not in _REFUSED_WITH:
            self.wrong.append(f"{what}: {answer.status_code} {answer.text[:300]}")
        return answer
