# SPDX-License-Identifier: GPL-3.0-or-later
"""A private folder for each run, gone when the run is over.

It holds the extra variables, and for a moment what modules printed: secrets among them. A running service
keeps each of its folders locked, so that what a killed service left behind can be told from what another one
is working in.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import structlog

from hostler.runner.processes import end_processes

if TYPE_CHECKING:
    from collections.abc import Iterator

log = structlog.get_logger(__name__)

Kind: TypeAlias = Literal["run", "warm", "key"]


@contextmanager
def private_folder(state_dir: Path, kind: Kind) -> Iterator[Path]:
    """Make a fresh folder (0700), and delete it at the end, however that comes.

    :param kind: ``run``, for one run, ``warm``, for a process that runs are forked from, or ``key``, for the files of a
        credential while somebody connects with it.
    """
    runs = _runs(state_dir)
    with _locked(runs, fcntl.LOCK_SH):  # so that a sweep never sees a folder without its lock
        folder = Path(tempfile.mkdtemp(prefix=f"{kind}-", dir=runs))
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield folder
    finally:
        try:
            _delete(folder)
        finally:
            os.close(lock)


def sweep(state_dir: Path) -> int:
    """End what a killed service left behind and delete its folders; answer how many runs there were.

    Blocking; to be called once, before the service's first run.
    """
    runs = _runs(state_dir)
    found = 0
    with _locked(runs, fcntl.LOCK_EX):
        for folder in [path for kind in get_args(Kind) for path in runs.glob(f"{kind}-*")]:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # another process of the service is at work in it
            else:
                found += folder.name.startswith("run-")
                end_processes(folder)
                _delete(folder)
            finally:
                os.close(lock)
    return found


def _runs(state_dir: Path) -> Path:
    runs = state_dir.resolve() / "runs"
    runs.mkdir(mode=0o700, parents=True, exist_ok=True)
    return runs


@contextmanager
def _locked(folder: Path, kind: int) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)


def _delete(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except OSError as error:
        # A file of another user, made by a playbook with become. The next sweep tries again.
        log.warning("a run's folder is left behind", folder=str(folder), reason=str(error))
