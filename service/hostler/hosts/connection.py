# SPDX-License-Identifier: GPL-3.0-or-later
"""The service's connection to each host, and the bounded threads that may use it.

libvirt's calls block, and against a stopped daemon they block for seconds: each host has threads of its own, so that a
host that hangs never takes them from another. A connection is made when it is first needed, shared by all who act on
the host, and made anew after it was lost.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import structlog

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostTimeout, HostUnreachable
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor

log = structlog.get_logger(__name__)

T = TypeVar("T")

READ_SECONDS = 5.0
"""How long a request waits for a host that it has to ask, in seconds (api-decisions: 503 after that)."""

_LONG_CALLS = 2  # at the same time on one host; further ones wait for their turn


class HostConnection:
    """One host's connection and threads."""

    def __init__(self, hostname: str, uri: str, threads: int) -> None:
        self.hostname = hostname
        self.uri = uri
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=f"host-{hostname}")
        # one that is never behind a call that hangs on a sick guest: for pulling plugs
        self._urgent_thread = ThreadPoolExecutor(1, thread_name_prefix=f"urgent-{hostname}")
        # for what takes as long as a client does: an upload must not keep the host from everybody else
        self._long_threads = ThreadPoolExecutor(_LONG_CALLS, thread_name_prefix=f"long-{hostname}")
        self._opening = threading.Lock()
        self._hypervisor: Hypervisor | None = None
        self._given_up = False
        self._failed_at = 0.0
        self._failure = ""
        # libvirt frees a connection that is closed, also under calls that others have under way on it: a segmentation
        # fault of the service. So the last one to leave closes what was dropped
        self._counting = threading.Lock()
        self._users: Counter[Hypervisor] = Counter()
        self._dropped: set[Hypervisor] = set()

    async def call(
        self,
        function: Callable[[Hypervisor], T],
        *,
        seconds: float | None = None,
        urgent: bool = False,
        long: bool = False,
    ) -> T:
        """Run ``function`` with the host's connection, in one of its threads.

        Raises `HostUnreachable` naming the host, also after `close`, and `HostTimeout` when ``seconds`` are over: the
        thread then goes on until libvirt lets it go, its result is dropped. A ``long`` call has a connection of its
        own, so that what it sends never stands before what others ask.
        """
        if self._given_up:
            raise HostUnreachable(f"Host '{self.hostname}' is unreachable")
        executor = self._urgent_thread if urgent else self._long_threads if long else self._threads
        run = self._run_apart if long else self._run
        context = contextvars.copy_context()  # what is logged there belongs to the request, too
        call = asyncio.get_running_loop().run_in_executor(executor, context.run, run, function)
        try:
            # not wait_for: on Python 3.11 that swallows a cancellation that comes together with the result
            async with asyncio.timeout(seconds) as deadline:
                return await call
        except TimeoutError:
            if not deadline.expired():
                raise  # the function's own
            raise HostTimeout(f"Host '{self.hostname}' did not answer within {seconds:g} s") from None

    def close(self) -> None:
        """Give up the connection; who waits for a turn gets `HostUnreachable`, the last call under way closes it."""
        self._given_up = True
        # closing waits for libvirtd's answer, and whoever is opening has the lock: nobody here waits for either
        threading.Thread(target=self._drop_any, name=f"close-{self.hostname}", daemon=True).start()
        for executor in (self._threads, self._urgent_thread, self._long_threads):
            executor.shutdown(wait=False)

    def _run(self, function: Callable[[Hypervisor], T]) -> T:
        try:
            hypervisor = self._enter()
        except HostUnreachable as error:
            raise self._unreachable(error) from error
        try:
            return function(hypervisor)
        except HostUnreachable as error:
            self._drop(hypervisor)
            raise self._unreachable(error) from error
        finally:
            self._leave(hypervisor)

    def _run_apart(self, function: Callable[[Hypervisor], T]) -> T:
        try:
            with Hypervisor.open(self.uri) as hypervisor:
                return function(hypervisor)
        except HostUnreachable as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: HostUnreachable) -> HostUnreachable:
        log.warning("host.unreachable", host=self.hostname, reason=error.message)
        return HostUnreachable(f"Host '{self.hostname}' is unreachable")

    def _enter(self) -> Hypervisor:
        """The connection, made where there is none; whoever enters has to leave."""
        arrived = time.monotonic()
        with self._opening:
            if self._given_up:
                raise HostUnreachable("The connection was given up")
            if self._hypervisor is None or not self._hypervisor.is_alive:
                self._drop_locked()
                if self._failed_at > arrived:  # somebody has tried in vain meanwhile: one patience for all who waited
                    raise HostUnreachable(self._failure)
                self._hypervisor = self._opened()
            with self._counting:
                self._users[self._hypervisor] += 1
            return self._hypervisor

    def _opened(self) -> Hypervisor:
        try:
            return Hypervisor.open(self.uri)
        except HostUnreachable as error:
            self._failed_at, self._failure = time.monotonic(), error.message
            raise

    def _leave(self, hypervisor: Hypervisor) -> None:
        with self._counting:
            self._users[hypervisor] -= 1
            if self._users[hypervisor]:
                return
            del self._users[hypervisor]
            if hypervisor not in self._dropped:
                return
            self._dropped.remove(hypervisor)
        hypervisor.close()

    def _drop(self, lost: Hypervisor) -> None:
        with self._opening:
            if self._hypervisor is lost:
                self._drop_locked()

    def _drop_any(self) -> None:
        with self._opening:
            self._drop_locked()

    def _drop_locked(self) -> None:
        dropped, self._hypervisor = self._hypervisor, None
        if dropped is None:
            return
        with self._counting:
            if self._users[dropped]:
                self._dropped.add(dropped)
                return
        dropped.close()


class HostConnections:
    """The connections of all servers, by server id."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._by_id: dict[int, HostConnection] = {}

    def of(self, server_id: int, hostname: str, uri: str) -> HostConnection:
        """The server's connection, made when it is asked for the first time or its URI has changed."""
        known = self._by_id.get(server_id)
        if known is not None and known.uri == uri:
            known.hostname = hostname
            return known
        self.forget(server_id)
        self._by_id[server_id] = HostConnection(hostname, uri, self._threads)
        return self._by_id[server_id]

    def forget(self, server_id: int) -> None:
        """Give up the connection of a server that is gone, disabled or elsewhere."""
        known = self._by_id.pop(server_id, None)
        if known is not None:
            known.close()

    def close(self) -> None:
        """Give up all."""
        for server_id in list(self._by_id):
            self.forget(server_id)
