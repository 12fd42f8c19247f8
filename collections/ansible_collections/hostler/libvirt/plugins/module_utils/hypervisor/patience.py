# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting no longer than one likes for a call that can't be cancelled."""

from __future__ import annotations

import threading
from typing import Callable, Generic, List, Optional, TypeVar

Result = TypeVar("Result")


class UnderWay(Generic[Result]):
    """A call that was begun in a thread of its own, and that somebody looks after meanwhile."""

    def __init__(self, work: Callable[[], Result]) -> None:
        self._results: List[Result] = []
        self._failures: List[Exception] = []
        self._done = threading.Event()
        self._ending = threading.Lock()
        self._too_late: Optional[Callable[[Result], None]] = None
        self._work = work
        threading.Thread(target=self._run, name="libvirt-call", daemon=True).start()

    def _run(self) -> None:
        try:
            result = self._work()
        except Exception as error:  # noqa: BLE001  whoever looks after it gets it, whatever it is
            with self._ending:
                if self._too_late is None:
                    self._failures.append(error)
                self._done.set()
            return
        with self._ending:
            if self._too_late is None:
                self._results.append(result)
            self._done.set()
        if self._too_late is not None:
            self._too_late(result)

    def ends_within(self, seconds: float) -> bool:
        """Whether it has ended, waited for no longer than ``seconds``."""
        return self._done.wait(seconds)

    def result(self) -> Result:
        """What it answered or raised, once it has ended; to be asked for once."""
        if self._failures:
            # taken out: an error that is held here, by whoever is in its traceback, would stay, and with it all that
            # was at hand where it came from (a connection, say) until Python's collector comes by
            raise self._failures.pop()
        return self._results[0]

    def give_up(self, too_late: Callable[[Result], None]) -> None:
        """Wait no more. What it answers all the same, or has just answered, ``too_late`` gets, maybe in its thread."""
        with self._ending:
            if not self._done.is_set():
                self._too_late = too_late
        self._failures.clear()
        for result in self._results:
            too_late(result)


def within(seconds: float, work: Callable[[], Result], too_late: Callable[[Result], None]) -> Result:
    """What ``work`` answers or raises; `TimeoutError` if it is not done after ``seconds``.

    It runs in a thread that is abandoned then. Should there be a result after that, ``too_late`` gets it.
    """
    call = UnderWay(work)
    if not call.ends_within(seconds):
        call.give_up(too_late)
        raise TimeoutError(f"no answer within {seconds:g} s")
    return call.result()
