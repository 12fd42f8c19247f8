# SPDX-License-Identifier: GPL-3.0-or-later
"""The API, as one asks it who is not stopped by a service that is killed and started again."""

from __future__ import annotations

import time
import uuid
from typing import Any

import httpx

_PATIENCE_SECONDS = 120.0
_OPEN = ("queued", "running")


class ApiSilent(Exception):
    """There is no answer, or no end of a job, for minutes."""


class Api:
    """Asks again until there is an answer; a write under one key, so that it is done once."""

    def __init__(self, url: str, token: str) -> None:
        self._client = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=_PATIENCE_SECONDS, trust_env=False
        )

    def close(self) -> None:
        """Keep no connection."""
        self._client.close()

    @property
    def client(self) -> httpx.Client:
        """Without that patience."""
        return self._client

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """The answer. Raises `ApiSilent`."""
        if method != "GET":
            headers["Idempotency-Key"] = str(uuid.uuid4())
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                return self._client.request(method, path, json=body, headers=headers)
            except httpx.TransportError:
                time.sleep(0.1)
        raise ApiSilent(f"{method} {path}: no answer within {_PATIENCE_SECONDS:g} s")

    def begin(self, method: str, path: str, body: Any = None) -> int:
        """Leave a write to run, and answer its job's id. Raises `ApiSilent`, also where it is refused."""
        answer = self.ask(method, path, body, Prefer="respond-async")
        if answer.status_code != httpx.codes.ACCEPTED:
            raise ApiSilent(f"{method} {path}: {answer.status_code} {answer.text}")
        return int(answer.json()["id"])

    def end_of(self, job: int) -> dict[str, Any]:
        """The job, once it has ended. Raises `ApiSilent` if it does not."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            shown: dict[str, Any] = self.ask("GET", f"/api/jobs/{job}").json()
            if shown["state"] not in _OPEN:
                return shown
            time.sleep(0.05)
        raise ApiSilent(f"job {job} ({shown['action']}) is {shown['state']} for {_PATIENCE_SECONDS:g} s")
