# SPDX-License-Identifier: GPL-3.0-or-later
"""Find and end a host's processes.

The processes themselves are the record: they carry the host's marker in their environment. No file of process ids can
be lost, go stale or name somebody else's process.
"""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

_PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A running process, as it was when it was looked at."""

    pid: int
    parent: int
    command: tuple[str, ...]

    @property
    def program(self) -> str:
        """The name of its program, without the folder."""
        return Path(self.command[0]).name

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; that it has ended meanwhile is no error."""
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            pass


def processes_with(marker: str) -> list[Process]:
    """Answer the processes whose environment has TMPDIR set to `marker`, in the order of their ids.

    Where one of them has a PID namespace other than this process's, all who share that are among them: sshd writes its
    title over its environment, and who logged in may do with theirs what they like.
    """
    entry = f"TMPDIR={marker}".encode()
    ours, namespaces = _namespace(_PROC / "self"), set()
    found, others = [], []
    for folder in sorted((folder for folder in _PROC.iterdir() if folder.name.isdigit()), key=lambda f: int(f.name)):
        try:
            # a process that has ended, or is another user's, can't be read; one that nobody reaped yet reads empty
            if entry in (folder / "environ").read_bytes().split(b"\0"):
                found.append(_process(folder))
                namespaces.add(_namespace(folder))
            else:
                others.append(folder)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    if namespaces <= {ours}:
        return found
    for folder in others:
        try:
            if _namespace(folder) in namespaces - {ours}:
                found.append(_process(folder))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return sorted(found, key=lambda process: process.pid)


def _process(folder: Path) -> Process:
    command = (folder / "cmdline").read_bytes().rstrip(b"\0").decode(errors="replace").split("\0")
    # what follows the program's name in its parentheses: state, parent …
    parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    return Process(int(folder.name), parent, tuple(command))


def _namespace(folder: Path) -> str:
    """Answer which PID namespace a process is in."""
    return str((folder / "ns/pid").readlink())


def end_processes_with(marker: str, timeout: float = 20) -> None:
    """Kill every process that carries the marker, and wait until none is left.

    Raises LabError if one is left after `timeout` seconds: the kernel holds it in a call that can't be interrupted.
    """
    deadline = time.monotonic() + timeout
    while left := processes_with(marker):
        if time.monotonic() > deadline:
            raise LabError(f"these processes can't be killed: {', '.join(f'{p.pid} ({p.program})' for p in left)}")
        for process in left:
            process.signal(signal.SIGKILL)
        time.sleep(0.02)
