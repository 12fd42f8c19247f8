# SPDX-License-Identifier: GPL-3.0-or-later
"""The way into one host: opening connections to a libvirtd that may take its time, or never answer.

An open that hangs can't be taken back, and a stopped daemon that goes on answers all that were begun meanwhile. So who
has waited long enough is told so, but what was begun goes on, and whoever waits by then gets what it brings; no more
than a few are under way at once, however long the host is away and however many want to get in.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostTimeout
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Credentials, Hypervisor

MOST_UNDER_WAY = 4
"""Opens of one host at once. More than one, for one that was begun while the host was off may learn late that it is
back: TCP asks less and less often."""


@dataclass(eq=False)  # each is somebody, however alike
class _Waiter:
    outcome: Hypervisor | Exception | None = None


class Door:
    """Opens connections to ``uri``, from any number of threads."""

    def __init__(self, uri: str, credentials: Credentials | None = None) -> None:
        self._uri = uri
        self._credentials = credentials
        self._changed = threading.Condition()
        self._under_way = 0
        self._waiters: deque[_Waiter] = deque()

    def open(self, seconds: float) -> Hypervisor:
        """A new connection. Raises `HostUnreachable`, `HostTimeout` if none is there after ``seconds``."""
        deadline = time.monotonic() + seconds
        waiter = _Waiter()
        with self._changed:
            self._waiters.append(waiter)
            # one of those that hang may never end, and the host may be back
            self._begin()
            while waiter.outcome is None and time.monotonic() < deadline:
                self._changed.wait(max(deadline - time.monotonic(), 0))
            if waiter.outcome is None:
                self._waiters.remove(waiter)
        if isinstance(waiter.outcome, Hypervisor):
            return waiter.outcome
        if waiter.outcome is not None:
            raise waiter.outcome
        raise HostTimeout(f"Failed to connect to the host: no answer within {seconds:g} s")

    def _begin(self) -> None:
        if self._under_way < MOST_UNDER_WAY:
            self._under_way += 1
            threading.Thread(target=self._try, name=f"open-{self._uri}", daemon=True).start()

    def _try(self) -> None:
        outcome: Hypervisor | Exception
        try:
            outcome = Hypervisor.open(self._uri, deadline=None, credentials=self._credentials)
        except Exception as error:  # noqa: BLE001 - whoever waits gets it, whatever it is
            outcome = error
        with self._changed:
            self._under_way -= 1
            taken = bool(self._waiters)
            if isinstance(outcome, Exception):
                while self._waiters:  # one patience for all
                    self._waiters.popleft().outcome = outcome
            elif taken:
                self._waiters.popleft().outcome = outcome
                if len(self._waiters) > self._under_way:
                    self._begin()
            self._changed.notify_all()
        if not taken and isinstance(outcome, Hypervisor):
            outcome.close()
