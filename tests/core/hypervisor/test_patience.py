# SPDX-License-Identifier: GPL-3.0-or-later
"""A call that never ends keeps nobody waiting; what it brings too late is not lost."""

import contextlib
import gc
import queue
import threading
import time
import weakref
from collections.abc import Callable

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.patience import UnderWay, within


def test_what_comes_in_time_is_the_answer() -> None:
    def refuse() -> int:
        raise ValueError("no")

    assert within(60, lambda: 7, too_late=lambda _: None) == 7
    with pytest.raises(ValueError, match="no"):
        within(60, refuse, too_late=lambda _: None)


class Connection:
    """What a call has at hand when it fails."""


def look_after(work: Callable[[], None]) -> None:
    call = UnderWay(work)
    assert call.ends_within(60)
    call.result()


@pytest.mark.parametrize("wait", [lambda work: within(60, work, too_late=lambda _: None), look_after])
def test_of_a_call_that_failed_nothing_stays_that_it_had_at_hand(wait: Callable[[Callable[[], None]], None]) -> None:
    connections: list[weakref.ref[Connection]] = []

    def ask() -> None:
        connection = Connection()
        connections.append(weakref.ref(connection))
        raise ValueError("no")

    gc.disable()
    try:
        for _ in range(3):
            with contextlib.suppress(ValueError):
                wait(ask)
        # the thread of the last may not have ended yet
        stand = [one() for one in connections[:-1] if one() is not None]
    finally:
        gc.enable()

    assert stand == []


def test_of_a_call_that_fails_too_late_nothing_stays_either() -> None:
    connections: list[weakref.ref[Connection]] = []
    go_on = threading.Event()

    def ask() -> None:
        connection = Connection()
        connections.append(weakref.ref(connection))
        go_on.wait(60)
        raise ValueError("no")

    gc.disable()
    try:
        with pytest.raises(TimeoutError):
            within(0.01, ask, too_late=lambda _: None)
        go_on.set()
        deadline = time.monotonic() + 20
        while connections[0]() is not None and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        gc.enable()

    assert connections[0]() is None


def test_what_has_come_just_when_it_is_given_up_is_tidied_up_too() -> None:
    tidied: list[str] = []
    call = UnderWay(lambda: "just now")
    assert call.ends_within(60)

    call.give_up(tidied.append)

    assert tidied == ["just now"]


def test_what_comes_too_late_is_given_to_whoever_tidies_up() -> None:
    go_on = threading.Event()
    late: queue.Queue[str] = queue.Queue()

    def work() -> str:
        go_on.wait(60)
        return "late"

    with pytest.raises(TimeoutError):
        within(0.01, work, too_late=late.put)
    go_on.set()

    assert late.get(timeout=60) == "late"


def test_what_was_begun_is_looked_after_until_it_ends() -> None:
    go_on = threading.Event()

    def refuse() -> int:
        raise ValueError("no")

    call = UnderWay(lambda: (go_on.wait(60), 7)[1])
    assert not call.ends_within(0.01)
    go_on.set()
    assert call.ends_within(60)
    assert call.result() == 7
    failed = UnderWay(refuse)
    assert failed.ends_within(60)
    with pytest.raises(ValueError, match="no"):
        failed.result()
