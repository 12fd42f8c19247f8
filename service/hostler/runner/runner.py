# SPDX-License-Identifier: GPL-3.0-or-later
"""The service's own door to playbooks: from asyncio, a few at a time."""

from __future__ import annotations

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from hostler.runner.events import PlaybookEvent, PlaybookOutcome, PlaybookStatus
from hostler.runner.playbook import find_playbook
from hostler.runner.run import PlaybookRun, Workplace, run_in_thread
from hostler.runner.stop import Stop
from hostler.runner.translate import Translation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class PlaybookRunner:
    """Runs playbooks in threads of its own, which no other work of the service waits for."""

    def __init__(
        self, state_dir: Path, *, warm_start: bool, playbooks_dir: Path | None = None, parallel: int = 4
    ) -> None:
        """Make what the runs need under ``state_dir``.

        :param warm_start: whether runs are forked from a process that has Ansible imported, once there is one.
        :param playbooks_dir: the operator's own playbooks, which take the place of ours of the same name.
        :param parallel: how many run at once; the others wait for their turn.
        """
        self._playbooks_dir = playbooks_dir
        self._workplace = Workplace.in_folder(state_dir, playbooks_dir, warm=warm_start)
        self._threads = ThreadPoolExecutor(parallel, thread_name_prefix="playbook")
        self._running: set[Stop] = set()

    def warm_up(self) -> None:
        """Start what makes runs start warm, if they are to; does not wait until it is ready."""
        if self._workplace.warm_start is not None:
            self._workplace.warm_start.look_after()

    async def run_playbook(
        self,
        request: PlaybookRun,
        on_event: Callable[[PlaybookEvent], None],
        cancel: asyncio.Event | None = None,
    ) -> PlaybookOutcome:
        """Run a playbook and answer what it came to; a playbook that fails is an answer, not an exception.

        :param on_event: called in the event loop, in order, with each event as it comes, never after the
            answer. What it raises ends the run and comes out here.
        :param cancel: once set, all processes of the run are killed and the outcome is canceled; a run that
            still waits for its turn never starts. Cancelling the task kills them as well, before
            CancelledError goes on.
        :raises ValueError, TypeError: an extra variable can't be given to a playbook (see `unsafe`).
        """
        loop = asyncio.get_running_loop()
        playbook = find_playbook(request.playbook, self._playbooks_dir)
        stop = Stop(request.timeout)
        raised: list[Exception] = []

        def deliver(event: PlaybookEvent) -> None:
            if raised:
                return
            try:
                on_event(event)
            except Exception as error:  # noqa: BLE001 - the caller's own: it gets it back
                raised.append(error)
                stop.cancel()

        def tell(event: PlaybookEvent) -> None:
            loop.call_soon_threadsafe(deliver, event)

        context = contextvars.copy_context()  # what is logged there belongs to the job, too
        work = self._threads.submit(context.run, run_in_thread, self._workplace, playbook, request, stop, tell)
        finished = asyncio.wrap_future(work)

        def end() -> None:
            stop.cancel()
            work.cancel()  # succeeds only while it waits for its turn

        watch = asyncio.ensure_future(cancel.wait()) if cancel is not None else None
        if watch is not None:
            watch.add_done_callback(lambda _: end())
        self._running.add(stop)
        interrupted: asyncio.CancelledError | None = None
        try:
            while not finished.done():
                try:
                    await asyncio.wait([finished])
                except asyncio.CancelledError as error:
                    interrupted = error
                    end()
        finally:
            self._running.discard(stop)
            if watch is not None:
                watch.cancel()
        if interrupted is not None:
            if not finished.cancelled():
                finished.exception()
            raise interrupted
        if raised:
            raise raised[0]
        if finished.cancelled():
            return Translation().outcome(None, PlaybookStatus.CANCELED)
        return finished.result()

    async def close(self) -> None:
        """End all runs, and wait for them. To be called before the event loop ends."""
        for stop in self._running:
            stop.cancel()
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        if self._workplace.warm_start is not None:
            await asyncio.to_thread(self._workplace.warm_start.close)
