# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody who follows the stream of events, and is cut off now and then."""

from __future__ import annotations

import json
import threading
import time
from typing import Any, NamedTuple

import httpx

_LONGEST_SECONDS = 15.0
"""Of one connection: then it is made anew, from the last event that was seen."""


class Heard(NamedTuple):
    """An event, as it came."""

    id: int
    kind: str
    data: dict[str, Any]


class Listener:
    """Follows ``GET /api/events`` from the first event on, in a thread."""

    def __init__(self, url: str, token: str) -> None:
        self.heard: list[Heard] = []
        self.connections = 0
        self._client = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60, trust_env=False
        )
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)

    def begin(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def heard_until(self, last: int, seconds: float) -> list[Heard]:
        """What was heard when the event with that id had come, or so many seconds were over."""
        deadline = time.monotonic() + seconds
        while (not self.heard or self.heard[-1].id < last) and time.monotonic() < deadline:
            time.sleep(0.1)
        return list(self.heard)

    def end(self) -> None:
        """Listen no longer."""
        self._over.set()
        self._thread.join(_LONGEST_SECONDS + 60)

    def _run(self) -> None:
        while not self._over.is_set():
            self.connections += 1
            try:
                self._listen(time.monotonic() + _LONGEST_SECONDS)
            except httpx.HTTPError:
                time.sleep(0.2)

    def _listen(self, until: float) -> None:
        last = str(self.heard[-1].id) if self.heard else "0"
        with self._client.stream("GET", "/api/events", headers={"Last-Event-ID": last}) as answer:
            answer.raise_for_status()
            fields: dict[str, str] = {}
            for line in answer.iter_lines():
                if line:
                    name, _, value = line.partition(":")
                    fields[name] = value.removeprefix(" ")
                    continue
                if fields.get("id") and "data" in fields:
                    self.heard.append(Heard(int(fields["id"]), fields.get("event", ""), json.loads(fields["data"])))
                fields = {}
                if self._over.is_set() or time.monotonic() > until:
                    return
