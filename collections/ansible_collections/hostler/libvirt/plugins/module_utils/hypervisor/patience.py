# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting no longer than one likes for a call that can't be cancelled."""

from __future__ import annotations

import threading
from typing import Callable, Generic, List, TypeVar

Result = TypeVar("Result")


def within(seconds: float, work: Callable[[], Result], too_late: Callable[[Result], None]) -> Result:
    """What ``work`` answers or raises; `TimeoutError` if it is not done after ``seconds``.

    It runs in a thread that is abandoned then. Should there be a result after that, ``too_late`` gets it there.
    """
    results: List[Result] = []
    failures: List[Exception] = []
    done = threading.Event()
    abandoned = threading.Event()

    def run() -> None:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001  whoever waits gets it, whatever it is
            failures.append(error)
        else:
            if abandoned.is_set():
                too_late(result)
            results.append(result)
        done.set()

    threading.Thread(target=run, name="libvirt-call", daemon=True).start()
    if not done.wait(seconds):
        abandoned.set()
        raise TimeoutError(f"no answer within {seconds:g} s")
    if failures:
        # taken out: an error that this frame held, which its traceback holds, would stay, and with it all that was at
        # hand where it came from (a connection, say) until Python's collector comes by
        raise failures.pop()
    return results[0]


class UnderWay(Generic[Result]):
    """A call that was begun in a thread of its own, and that somebody looks after meanwhile."""

    def __init__(self, work: Callable[[], Result]) -> None:
        self._results: List[Result] = []
        self._failures: List[Exception] = []
        self._done = threading.Event()
        self._work = work
        threading.Thread(target=self._run, name="libvirt-call", daemon=True).start()

    def _run(self) -> None:
        try:
            self._results.append(self._work())
        except Exception as error:  # noqa: BLE001  whoever looks after it gets it, whatever it is
            self._failures.append(error)
        self._done.set()

    def ends_within(self, seconds: float) -> bool:
        """Whether it has ended, waited for no longer than ``seconds``."""
        return self._done.wait(seconds)

    def result(self) -> Result:
        """What it answered or raised, once it has ended; to be asked for once."""
        if self._failures:
            raise self._failures.pop()  # as in `within`
        return self._results[0]
