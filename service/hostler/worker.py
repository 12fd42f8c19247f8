# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker: it carries out jobs that wait for their turn, beside the services of one PostgreSQL, and nothing else.

It has no API and watches no host; whoever watches one is told which VMs to look at. Any number of them may run on any
number of machines, and which of them takes up a job is nobody's to say: the queue stands in the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import typer

from hostler import __version__
from hostler.database import Database
from hostler.engine import Engine
from hostler.errors import OperatorError
from hostler.garbage import look_less_often
from hostler.machines.orphans import looked_after
from hostler.machines.turns import queue_of
from hostler.sealed import warn_of_locked
from hostler.settings import Settings

_MOST_HERE = 64


def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT; raises OperatorError and DatabaseUnavailable if it can't start."""
    if settings.database_url.startswith("sqlite"):
        raise OperatorError(
            "A worker needs PostgreSQL (HOSTLER_DATABASE_URL): on SQLite the service carries all jobs out itself"
        )
    look_less_often()
    with _place(settings) as own:
        asyncio.run(_work(own))


async def _work(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(Database(settings).for_service())
        engine = await stack.enter_async_context(Engine.running(settings, watches=False))
        await warn_of_locked(engine.sealer)
        await stack.enter_async_context(looked_after(engine))
        await stack.enter_async_context(queue_of(engine).running())
        typer.echo(f"Hostler {__version__} carries out jobs")
        sys.stdout.flush()
        await stop.wait()


@contextlib.contextmanager
def _place(settings: Settings) -> Iterator[Settings]:
    """The settings with a state directory of the worker's own, in that of the settings; keys stay where they are.

    What playbooks leave that were killed is swept by the next who works there, so no two may work in one place.
    """
    settings.make_state_dir()
    for number in range(1, _MOST_HERE + 1):
        place = settings.state_dir / "workers" / str(number)
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _held(place / "lock") as held:
            if held:
                yield settings.model_copy(update={"state_dir": place})
                return
    raise OperatorError(f"{_MOST_HERE} workers run in {settings.state_dir} already")


@contextlib.contextmanager
def _held(path: Path) -> Iterator[bool]:
    """Hold the lock in the block, which the kernel drops with the process; False where another one has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
