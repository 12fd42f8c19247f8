# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting no longer than one likes for a call that can't be cancelled."""

from __future__ import annotations

import threading
from typing import Callable, List, TypeVar

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
        raise failures[0]
    return results[0]
