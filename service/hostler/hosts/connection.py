# SPDX-License-Identifier: GPL-3.0-or-later
"""The service's connections to each host, and the bounded threads that may use them.

libvirt's calls block, and against a stopped daemon they block for seconds: each host has threads of its own, so that a
host that hangs never takes them from another. A connection serves one call at a time, because libvirt's client before
10.4 writes into the stacks of those that share one (docs/decisions/one-call-a-connection.md); a further one is made
when all are in use, and those that fell are made anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
import time
import traceback
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

import structlog

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError, HostTimeout, HostUnreachable
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Credentials, Hypervisor
from hostler.hosts.door import Door
from hostler.hosts.refusal import refusal_in

log = structlog.get_logger(__name__)

T = TypeVar("T")

READ_SECONDS = 5.0
"""How long a request waits for a host that it has to ask, in seconds (api-decisions: 503 after that)."""
BULK_SECONDS = 20.0
"""How long a host may take to say what its VMs do, in seconds: a libvirtd may answer keepalives and nothing else."""

_OPEN_SECONDS = 15.0  # for a connection that is needed now
_AWAY_SECONDS = 1.0
_TEST_DRIVER = ("test:", "test+")  # all use one connection of it, for its domains are that one's
_KEPT_IDLE = 2  # connections that wait for the next call; over ssh each is a process, and a third of a second to make
_IDLE_SECONDS = 60.0  # so long all of them wait; then one is enough


def reading_seconds(vms: int) -> float:
    """How long a host may take to tell of so many VMs, in seconds: a disk's storage may hang, and its call with it.

    Each of them is some ten round trips.
    """
    return BULK_SECONDS + vms


class Lane(Enum):
    """Who waits for whom: calls to one host wait for a thread only behind others of their own lane."""

    COMMON = "host"
    URGENT = "urgent"
    """Pulling plugs: never behind a call that hangs on a sick guest."""
    LONG = "long"
    """What takes as long as a client does, an upload, say; each has a connection of its own, which ends with it."""
    SLOW = "slow"
    """What the host itself may take minutes for: a snapshot with a guest's memory."""
    WATCH = "watch"
    """Looking what the host's VMs are."""


# at the same time on one host; in the common lane as many as the operator says
_AT_ONCE = {Lane.URGENT: 1, Lane.LONG: 8, Lane.SLOW: 4, Lane.WATCH: 4}


@dataclass(frozen=True)
class Heard(Generic[T]):
    """A connection that is listened to, and what its listener answered."""

    by: T
    hypervisor: Hypervisor

    @property
    def is_alive(self) -> bool:
        """Whether the connection still stands; once it does not, nothing is heard any more."""
        return self.hypervisor.is_alive


class HostConnection:
    """One host's connections and threads."""

    def __init__(self, hostname: str, uri: str, threads: int, credentials: Credentials | None = None) -> None:
        self.hostname = hostname
        self.uri = uri
        self._credentials = credentials
        self._lanes = {
            lane: ThreadPoolExecutor(_AT_ONCE.get(lane, threads), thread_name_prefix=f"{lane.value}-{hostname}")
            for lane in Lane
        }
        self._given_up = False
        self._door = Door(uri, credentials)
        self._opening = threading.Lock()
        self._is_away = False
        self._counting = threading.Lock()
        self._users: dict[Hypervisor, int] = {}
        """All connections that stand, and how many use each: more than one only of the test driver's."""
        self._left_at: dict[Hypervisor, float] = {}
        """When each was last used, in seconds of the monotonic clock."""
        self._unwanted: set[Hypervisor] = set()
        """Those of them that nobody gets any more."""

    async def call(
        self,
        function: Callable[[Hypervisor], T],
        *,
        seconds: float | None = None,
        lane: Lane = Lane.COMMON,
    ) -> T:
        """Run ``function`` with a connection to the host that is its own meanwhile, in one of the host's threads.

        Raises `HostUnreachable` naming the host, also after `close` and soon while it is away, and `HostTimeout` when
        ``seconds`` are over: the thread then goes on until libvirt lets it go, its result is dropped.
        """
        if self._given_up:
            raise HostUnreachable(f"Host '{self.hostname}' is unreachable")
        run = self._run_apart if lane is Lane.LONG else self._run
        context = contextvars.copy_context()  # what is logged there belongs to the request, too
        loop = asyncio.get_running_loop()
        return await self._answer(loop.run_in_executor(self._lanes[lane], context.run, run, function), seconds)

    def be_away(self, is_away: bool = True) -> None:
        """Have calls wait for no connection, as long as whoever watches the host knows that it can't be reached.

        They try all the same: it may be back, and whoever watches it looks only every few seconds.
        """
        self._is_away = is_away

    def begin(self, function: Callable[[Hypervisor], T]) -> asyncio.Future[T]:
        """Begin what `call` does in a thread apart that nobody has to wait for, not even the process at its end.

        For what a sick guest may hang for as long as it is sick. Whoever begins such calls counts those that hang.
        """
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()  # whoever gives up waiting leaves it alone

        def run() -> None:
            try:
                result = self._run(function)
            except BaseException as error:  # noqa: BLE001  whoever waits gets it, whatever it is
                future.set_exception(error)
            else:
                future.set_result(result)

        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=[run], name=f"apart-{self.hostname}", daemon=True).start()
        return asyncio.wrap_future(future)

    @contextlib.asynccontextmanager
    async def listening(
        self,
        listen: Callable[[Hypervisor], AbstractContextManager[T]],
        *,
        seconds: float = _OPEN_SECONDS,
        answer_seconds: float | None = None,
        lane: Lane = Lane.COMMON,
    ) -> AsyncIterator[Heard[T]]:
        """Keep a connection in the block that nobody else uses, for the events that ``listen`` begins to hear there.

        Also of a host that is away. Raises `HostUnreachable` naming the host, and `HostTimeout` after ``seconds``
        without a connection, or ``answer_seconds`` in which ``listen`` came to no end of what it asked there. The
        connection may fall in the block: `Heard.is_alive`.
        """
        stack = contextlib.ExitStack()

        def begin() -> Heard[T]:
            try:
                hypervisor = self._enter(seconds)
            except HostUnreachable as error:
                raise self._unreachable(error) from error
            try:
                return Heard(stack.enter_context(listen(hypervisor)), hypervisor)
            except HostUnreachable as error:
                self._leave(hypervisor, lost=True)
                _let_go(error)
                raise self._unreachable(error) from error
            except BaseException as error:
                self._leave(hypervisor)
                _let_go(error)
                raise

        def leave(hypervisor: Hypervisor) -> None:
            stack.close()
            self._leave(hypervisor)

        def end(beginning: Future[Heard[T]]) -> None:
            if not beginning.cancelled() and not beginning.exception():
                # whoever leaves waits for libvirtd's answer no more than `close` does
                left = beginning.result().hypervisor
                threading.Thread(target=leave, args=[left], name=f"unlisten-{self.hostname}", daemon=True).start()

        if self._given_up:
            raise HostUnreachable(f"Host '{self.hostname}' is unreachable")
        context = contextvars.copy_context()
        beginning = self._lanes[lane].submit(context.run, begin)
        try:
            longest = None if answer_seconds is None else seconds + answer_seconds
            heard = await self._answer(asyncio.wrap_future(beginning), longest)
        except BaseException:
            beginning.add_done_callback(end)  # it may have begun, or begin later
            raise
        try:
            yield heard
        finally:
            end(beginning)

    def let_go(self) -> None:
        """Close the connections as soon as nobody uses them: another service watches the host. Calls get new ones."""
        with self._counting:
            self._unwanted = set(self._users)
        threading.Thread(target=self._close_idle, args=[True], name=f"close-{self.hostname}", daemon=True).start()

    def close(self) -> None:
        """Give up the connections; who waits for a turn gets `HostUnreachable`, calls under way close theirs."""
        self._given_up = True
        # closing waits for libvirtd's answer, and nobody here waits for it
        threading.Thread(target=self._close_idle, name=f"close-{self.hostname}", daemon=True).start()
        for executor in self._lanes.values():
            executor.shutdown(wait=False)

    def _run(self, function: Callable[[Hypervisor], T]) -> T:
        try:
            hypervisor = self._enter()
        except HostUnreachable as error:
            raise self._unreachable(error) from error
        lost = False
        try:
            return function(hypervisor)
        except HostUnreachable as error:
            lost = True
            _let_go(error)
            raise self._unreachable(error) from error
        except HostlerError as error:
            _let_go(error)
            raise
        finally:
            self._leave(hypervisor, lost)
            del hypervisor

    def _run_apart(self, function: Callable[[Hypervisor], T]) -> T:
        try:
            with Hypervisor.open(self.uri, credentials=self._credentials) as hypervisor:
                return function(hypervisor)
        except HostUnreachable as error:
            _let_go(error)
            raise self._unreachable(error) from error
        except HostlerError as error:
            _let_go(error)
            raise

    async def _answer(self, call: asyncio.Future[T], seconds: float | None) -> T:
        try:
            # not wait_for: on Python 3.11 that swallows a cancellation that comes together with the result
            async with asyncio.timeout(seconds) as deadline:
                return await call
        except TimeoutError:
            if not deadline.expired():
                raise  # the function's own
            raise HostTimeout(f"Host '{self.hostname}' did not answer within {seconds:g} s") from None
        finally:
            # one has the error, the other the task that may have it, and its traceback has this frame: they would not
            # be let go of for minutes
            del call, deadline

    def _unreachable(self, error: HostUnreachable) -> HostUnreachable:
        log.warning("host.unreachable", host=self.hostname, reason=error.message)
        why = refusal_in(error.message)
        return HostUnreachable(f"Host '{self.hostname}' is unreachable{'' if why is None else f': {why}'}")

    def _enter(self, seconds: float | None = None) -> Hypervisor:
        """A connection of the caller's own, made where none is free; whoever enters has to leave."""
        if seconds is None:
            seconds = _AWAY_SECONDS if self._is_away else _OPEN_SECONDS
        with self._opening if self.uri.startswith(_TEST_DRIVER) else contextlib.nullcontext():
            free = self._free()
            if free is not None:
                return free
            hypervisor = self._door.open(seconds)
            with self._counting:
                self._users[hypervisor] = 1
            return hypervisor

    def _free(self) -> Hypervisor | None:
        with self._counting:
            if self._given_up:
                raise HostUnreachable("The connection was given up")
            for hypervisor in self._by_last_use(self._users):
                users = self._users[hypervisor]
                is_wanted = hypervisor not in self._unwanted and hypervisor.is_alive
                if (not users or hypervisor.is_test_driver) and is_wanted:
                    self._users[hypervisor] = users + 1
                    return hypervisor
        return None

    def _leave(self, hypervisor: Hypervisor, lost: bool = False) -> None:
        with self._counting:
            self._users[hypervisor] -= 1
            self._left_at[hypervisor] = time.monotonic()
            idle = self._by_last_use([one for one, users in self._users.items() if not users])
            fallen = [one for one in idle if (lost and one is hypervisor) or not one.is_alive or one in self._unwanted]
            standing = [one for one in idle if one not in fallen]
            closing = {*fallen, *(standing if self._given_up else self._surplus(standing))}
            self._forget(closing)
        for one in closing:
            one.close()

    def _by_last_use(self, some: Iterable[Hypervisor]) -> list[Hypervisor]:
        """The one that was used last first: thus others come to be left alone."""
        return sorted(some, key=lambda one: self._left_at.get(one, 0.0), reverse=True)

    def _surplus(self, idle: Sequence[Hypervisor]) -> list[Hypervisor]:
        """Those that need not wait for the next call any longer."""
        old = time.monotonic() - _IDLE_SECONDS
        return [one for place, one in enumerate(idle) if place >= (_KEPT_IDLE if self._left_at[one] > old else 1)]

    def _forget(self, some: Collection[Hypervisor]) -> None:
        for one in some:
            del self._users[one]
            self._left_at.pop(one, None)
        self._unwanted.difference_update(some)

    def _close_idle(self, unwanted_only: bool = False) -> None:
        with self._counting:
            closing = [
                one for one, users in self._users.items() if not users and (one in self._unwanted or not unwanted_only)
            ]
            self._forget(closing)
        for one in closing:
            one.close()


def _let_go(error: BaseException) -> None:
    """Have an error hold nothing that was at hand where it came from.

    Whoever has it, a task say, may have it for minutes, and a connection stands for as long as there is a handle of it.
    """
    one: BaseException | None = error
    while one is not None:
        traceback.clear_frames(one.__traceback__)
        one = one.__cause__ or one.__context__


class HostConnections:
    """The connections to all servers, by server id."""

    def __init__(self, threads: int, credentials: Callable[[int], Credentials] | None = None) -> None:
        self._threads = threads
        self._credentials = credentials
        self._by_id: dict[int, HostConnection] = {}

    def of(self, server_id: int, hostname: str, uri: str) -> HostConnection:
        """The server's connection, made when it is asked for the first time or its URI has changed."""
        known = self._by_id.get(server_id)
        if known is not None and known.uri == uri:
            known.hostname = hostname
            return known
        self.forget(server_id)
        credentials = None if self._credentials is None else self._credentials(server_id)
        self._by_id[server_id] = HostConnection(hostname, uri, self._threads, credentials)
        return self._by_id[server_id]

    def known(self, server_id: int) -> HostConnection | None:
        """The server's connection, None for one that nobody has asked for or that was given up."""
        return self._by_id.get(server_id)

    def let_go(self, server_id: int) -> None:
        """Keep no connection to the server that nobody uses; who asks for one gets it."""
        known = self._by_id.get(server_id)
        if known is not None:
            known.let_go()

    def forget(self, server_id: int) -> None:
        """Give up the connection of a server that is gone, disabled or elsewhere."""
        known = self._by_id.pop(server_id, None)
        if known is not None:
            known.close()

    def close(self) -> None:
        """Give up all."""
        for server_id in list(self._by_id):
            self.forget(server_id)
