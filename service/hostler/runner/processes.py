# SPDX-License-Identifier: GPL-3.0-or-later
"""Ending all processes of a run.

ansible-runner kills the process group of ``ansible-playbook``, which is not enough: since ansible-core 2.19
each worker takes a session of its own, and the modules that it started live on. A run's processes are known
by their environment, which names the run's folder, and by their ancestors, where a program such as sudo has
cleaned the environment.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import structlog

from hostler.runner.environment import MARK

log = structlog.get_logger(__name__)

_PROC = Path("/proc")
_PATIENCE = 5.0  # seconds until what does not die (it waits for a disk, or is another user's) is left alone


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    started: str  # clock ticks since boot: tells it from a later process of the same pid


def end_processes(folder: Path) -> None:
    """Kill every process of the run in ``folder`` and what they start meanwhile; block until all are gone."""
    give_up = time.monotonic() + _PATIENCE
    doomed: set[_Process] = set()
    while alive := _alive(folder, doomed):
        if time.monotonic() > give_up:
            pids = sorted(process.pid for process in alive)
            log.warning("processes of a run can't be ended", folder=str(folder), pids=pids)
            return
        # All are known before the first one dies: children of a dead process have lost their ancestors.
        doomed |= alive
        for process in alive:
            try:
                os.kill(process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        time.sleep(0.01)


def _alive(folder: Path, doomed: set[_Process]) -> set[_Process]:
    """Answer the processes that are doomed or have the folder in their environment, and their descendants."""
    mark = f"\0{MARK}={folder}/".encode()
    parents: dict[int, int] = {}
    processes: dict[int, _Process] = {}
    roots: set[int] = set()
    for entry in _PROC.iterdir():
        if not entry.name.isdecimal():
            continue
        pid = int(entry.name)
        try:
            # The command's name, in parentheses, may hold spaces and parentheses itself (proc_pid_stat(5)).
            state = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if state[0] in "ZX":  # it only waits to be reaped
            continue
        process = processes[pid] = _Process(pid, started=state[19])
        parents[pid] = int(state[1])
        if process in doomed or _names(entry, mark):
            roots.add(pid)
    return {process for pid, process in processes.items() if not roots.isdisjoint(_line(pid, parents))}


def _names(entry: Path, mark: bytes) -> bool:
    try:
        return mark in b"\0" + (entry / "environ").read_bytes()
    except OSError:  # it has ended, or is another user's
        return False


def _line(pid: int, parents: dict[int, int]) -> set[int]:
    """Answer a process and its ancestors."""
    line: set[int] = set()
    while pid in parents and pid not in line:
        line.add(pid)
        pid = parents[pid]
    return line
