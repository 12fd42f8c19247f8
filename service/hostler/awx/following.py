# SPDX-License-Identifier: GPL-3.0-or-later
"""Following a job at AWX to its end: its events as they come, as ours, and in the end its outcome.

AWX's events are those of ansible-runner, so they are translated as those of our own playbooks are. AWX stores them in
batches, not always in their order: none is told before those with smaller numbers are there, which in the end they are.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import structlog

from hostler.awx.client import Answer, Client
from hostler.awx.errors import AwxBadAnswer, AwxCanceled, AwxError, AwxJobBroken, AwxNotFound
from hostler.awx.shape import number_in, objects_in
from hostler.awx.states import AwxState, state_of
from hostler.runner import PlaybookEvent, PlaybookOutcome, PlaybookStatus, Translation, sentence

log = structlog.get_logger(__name__)

_POLL_SECONDS = 0.7
_LAST_EVENTS_SECONDS = 60.0  # how long after a job's end AWX may take to store its events; it has lost some before
_PAGE = 50  # AWX leaves out results of more than 700 kB, and smaller ones may come together

OnState = Callable[[AwxState], None]


class Cancel(Protocol):
    """Cancels a job at AWX and waits until it has ended there."""

    async def __call__(self, number: int) -> None:
        """Cancel it."""


@dataclasses.dataclass(frozen=True)
class Follower:
    """Follows jobs; ``absence`` is for how many seconds a controller that does not answer is waited for."""

    client: Client
    absence: float

    async def follow(
        self,
        number: int,
        on_event: Callable[[PlaybookEvent], None],
        on_state: OnState,
        deadline: float,
        cancel: Cancel,
    ) -> PlaybookOutcome:
        """Tell of the job until it has ended.

        At ``deadline`` (of ``time.monotonic``) it is canceled, and the outcome is a timeout. Raises `AwxCanceled`
        where somebody else canceled it, `AwxJobBroken` where AWX could not run it or does not have it any more, and
        the `AwxError` of a controller that did not answer for too long: then the job may still be there.
        """
        reader = _Reader(self, number, on_event)
        stopped: PlaybookStatus | None = None
        ended_at: float | None = None
        state: AwxState | None = None
        while True:
            job = await self.ask(f"jobs/{number}/", number)
            before, state = state, state_of(job.get("status"))
            if state is not before and not state.is_final:
                on_state(state)
            # what there is in the end is read in any case, but not for ever either
            await reader.read(deadline if not state.is_final else (ended_at or time.monotonic()) + _LAST_EVENTS_SECONDS)
            if state.is_final:
                ended_at = ended_at or time.monotonic()
                if job.get("event_processing_finished") or ended_at + _LAST_EVENTS_SECONDS < time.monotonic():
                    await reader.tell_all()
                    on_state(state)
                    return reader.outcome(job, state, stopped)
            elif stopped is not None:  # AWX had its time to end it
                return reader.outcome(job, state, stopped)
            elif deadline < time.monotonic():
                stopped = PlaybookStatus.TIMEOUT
                await cancel(number)
                continue
            await asyncio.sleep(_POLL_SECONDS)

    async def ask(self, path: str, number: int, **query: str | int) -> Answer:
        """Ask, and ask again while AWX is away; raises `AwxJobBroken` for a job that is gone, `AwxError` in the end."""
        deadline = time.monotonic() + self.absence
        while True:
            try:
                return await self.client.get(path, **query)
            except AwxNotFound:
                raise AwxJobBroken(f"AWX does not have the job any more (AWX job {number})") from None
            except AwxError as error:
                if time.monotonic() > deadline:
                    message = f"{error.message}; what has become of AWX job {number} is not known"
                    raise type(error)(message, code=error.code) from None
                log.warning("awx.away", awx_job=number, reason=error.message)
            await asyncio.sleep(_POLL_SECONDS)


class _Reader:
    """The events of one job, in their order."""

    def __init__(self, follower: Follower, number: int, on_event: Callable[[PlaybookEvent], None]) -> None:
        self._follower = follower
        self._number = number
        self._on_event = on_event
        self._translation = Translation()
        self._told = 0
        self._highest = 0
        self._waiting: dict[int, Mapping[str, Any]] = {}
        self._has_stats = False

    async def read(self, until: float) -> None:
        """Tell of all events that are there and whose turn it is; no longer than ``until`` (``time.monotonic``).

        Those after a gap are read once: then they wait, and only the gap is asked for.
        """
        await self._fetch(self._highest, None, until)
        while self._waiting and time.monotonic() < until:
            told = self._told
            await self._fetch(told, min(self._waiting), until)
            if self._told == told:
                return

    async def tell_all(self) -> None:
        """Tell of those, too, that are after one that AWX has lost; each gap is asked for once more."""
        until = time.monotonic() + _LAST_EVENTS_SECONDS
        while self._waiting:
            after = min(self._waiting)
            if after > self._told + 1 and time.monotonic() < until:
                await self._fetch(self._told, after, until)
            if self._waiting:
                self._told = min(self._waiting) - 1
                self._tell_next()

    async def _fetch(self, after: int, before: int | None, until: float) -> None:
        """Read the events whose counters are between those two, and tell of those whose turn it is."""
        within = {} if before is None else {"counter__lt": before}
        while True:
            answer = await self._follower.ask(
                f"jobs/{self._number}/job_events/",
                self._number,
                order_by="counter",
                counter__gt=after,
                page_size=_PAGE,
                no_truncate="true",
                **within,
            )
            page = {
                number_in(one, "counter", "an event"): one for one in objects_in(answer, "results", "a job's events")
            }
            if page and min(page) <= after:
                raise AwxBadAnswer("AWX's answer about a job's events has some that it was not asked for")
            self._waiting.update(page)
            self._highest = max(self._highest, *page, 0)
            self._tell_next()
            if len(page) < _PAGE or until < time.monotonic():
                return
            after = max(page)

    def _tell_next(self) -> None:
        while (event := self._waiting.pop(self._told + 1, None)) is not None:
            self._tell(event)

    def _tell(self, event: Mapping[str, Any]) -> None:
        self._told += 1
        raw = _as_of_runner(event)
        self._has_stats |= raw["event"] == "playbook_on_stats"
        try:
            ours = list(self._translation.events(raw))
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            log.warning("awx.event_unread", awx_job=self._number, counter=self._told, reason=repr(error))
            return
        for one in ours:
            self._on_event(one)

    def outcome(self, job: Answer, state: AwxState, stopped: PlaybookStatus | None) -> PlaybookOutcome:
        """What the job came to; raises `AwxCanceled`, `AwxJobBroken`."""
        if stopped is not None and state is not AwxState.SUCCESSFUL:
            return self._translation.outcome(None, stopped)
        if state is AwxState.CANCELED:
            raise AwxCanceled(f"The job was canceled at AWX (AWX job {self._number})")
        if state is AwxState.SUCCESSFUL and not self._has_stats:
            # its last event is lost; that the VM is what it should be is looked at in any case
            return PlaybookOutcome(PlaybookStatus.SUCCEEDED, 0)
        outcome = self._translation.outcome(0 if state is AwxState.SUCCESSFUL else 1, None)
        if state is AwxState.ERROR or (state is AwxState.FAILED and not self._translation.has_failure):
            why = sentence(job.get("job_explanation")) or _printed(outcome) or "it does not say why"
            raise AwxJobBroken(f"AWX could not run the job: {why.rstrip('.')} (AWX job {self._number})")
        return outcome


def _printed(outcome: PlaybookOutcome) -> str | None:
    return None if outcome.failure is None else outcome.failure.message


def _as_of_runner(event: Mapping[str, Any]) -> dict[str, Any]:
    """The event as ansible-runner told it to AWX, which keeps some of its data beside the rest."""
    data = event.get("event_data")
    data = dict(data) if isinstance(data, dict) else {}
    if event.get("task"):
        data.setdefault("task", event["task"])
    if event.get("host_name"):
        data.setdefault("host", event["host_name"])
    return {"event": event.get("event"), "stdout": str(event.get("stdout") or ""), "event_data": data}
