# SPDX-License-Identifier: GPL-3.0-or-later
"""Work in processes of its own, several at once, each of which can be ended however deep it hangs.

A call to libvirt that hangs can't be cancelled, and a thread that is left behind in one is a risk to every process that
is forked later, as Ansible forks one for each task. So whoever loads libvirt here is a fork that does nothing else.
"""

from __future__ import annotations

import json
import multiprocessing
import multiprocessing.connection
import os
import signal
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError

# of another start method the children would have to import what the parent has, Ansible's loader of collections too
_FORK = multiprocessing.get_context("fork")

# for one that is killed; who sits in the kernel and can't be may go later
_END_SECONDS = 1


class Outcome(NamedTuple):
    """What one piece of work answered, as JSON has it; or the sentence of its ``error``."""

    answer: Any = None
    error: Optional[str] = None


class _Running(NamedTuple):
    number: int
    process: Any
    deadline: float


def run_apart(work: Sequence[Callable[[], Any]], seconds: float, parallel: int) -> List[Outcome]:
    """What each of ``work`` answers (what JSON can hold) or raises, in its order; at most ``parallel`` at a time.

    One that is not done ``seconds`` after its begin is killed, with all that it started (an ``ssh``), and has failed.
    """
    outcomes: Dict[int, Outcome] = {}
    running: Dict[Any, _Running] = {}
    waiting = list(reversed(list(enumerate(work))))
    try:
        while running or waiting:
            while waiting and len(running) < parallel:
                index, task = waiting.pop()
                ours, theirs = _FORK.Pipe(duplex=False)
                process = _FORK.Process(target=_work, args=(theirs, task), daemon=True)
                process.start()
                theirs.close()
                running[ours] = _Running(index, process, time.monotonic() + seconds)
            next_deadline = min(one.deadline for one in running.values())
            ready = multiprocessing.connection.wait(list(running), max(0.0, next_deadline - time.monotonic()))
            late = [pipe for pipe, one in running.items() if pipe not in ready and one.deadline <= time.monotonic()]
            for pipe in [*ready, *late]:
                one = running.pop(pipe)
                outcomes[one.number] = (
                    Outcome(error=f"no answer within {seconds:g} s") if pipe in late else _received(pipe)
                )
                _end(pipe, one.process)
    finally:
        for pipe, one in running.items():
            _end(pipe, one.process)
    return [outcomes[index] for index in range(len(work))]


def _work(pipe: Any, task: Callable[[], Any]) -> None:
    os.setsid()  # without a terminal an ssh asks nobody for a password, and can be ended together with this
    try:
        outcome = Outcome(answer=task())
    except HostlerError as error:
        outcome = Outcome(error=error.message)
    except Exception as error:  # noqa: BLE001  the parent tells it, whatever it is
        outcome = Outcome(error=f"{type(error).__name__}: {error}")
    pipe.send_bytes(json.dumps(outcome).encode())
    os._exit(0)  # not by way of Ansible's own exit handlers, nor of threads that hang


def _received(pipe: Any) -> Outcome:
    try:
        return Outcome(*json.loads(pipe.recv_bytes()))
    except EOFError:
        return Outcome(error="the process that asked it has ended without an answer")


def _end(pipe: Any, process: Any) -> None:
    pipe.close()
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()  # it has no group of its own yet, or has ended
    process.join(_END_SECONDS)
