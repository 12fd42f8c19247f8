# SPDX-License-Identifier: GPL-3.0-or-later
"""One webhook's courier: takes its events one after another, and goes on to the next when one is done with.

An event is done with when it was delivered, or has become a dead letter: because the receiver refused it too often, or
could not be reached for too long. Until then those after it wait where they are, in the table of events; so a receiver
that is down costs no memory, and nobody but itself has to wait. See docs/decisions/webhooks.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from hostler.events.feed import Feed, Wanted
from hostler.events.models import Event
from hostler.events.reading import EventRow
from hostler.webhooks import ledger
from hostler.webhooks.ledger import Lease
from hostler.webhooks.message import Message
from hostler.webhooks.models import Webhook
from hostler.webhooks.sending import Answer, Sender
from hostler.webhooks.wanted import waiting_for, wanted_by

log = structlog.get_logger(__name__)

FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 300.0
GONE = "The receiver answered 410: it wants nothing any more"

_PAGE = 20
_IDLE_SECONDS = 60.0
_PASSED_OVER = 500  # unwanted events after which a webhook's place is written down
_LEASE_SPARE_SECONDS = 30
_OTHERS_LEASE_SECONDS = 2.0  # after which it is looked whether another service still sends


@dataclass(frozen=True, slots=True)
class Patience:
    """When an event is given up."""

    tries: int
    """Of a receiver that refuses it."""
    hours: float
    """Since the receiver failed first, since the event, or since the webhook was changed, whichever is latest."""

    def is_over(self, webhook: Webhook, event: Event, answer: Answer, now: datetime) -> bool:
        """Whether the event that was just sent in vain becomes a dead letter."""
        if webhook.refusals + answer.is_refusal >= self.tries:
            return True
        since = max(event.at, webhook.failing_since or now, webhook.updated_at)  # enabled, or sent elsewhere
        return now - since >= timedelta(hours=self.hours)


def wait_seconds(tries: int, retry_after: int = 0) -> float:
    """The pause before the next try, after ``tries`` in vain: twice as long each time, and never the same for all."""
    longest = min(FIRST_WAIT_SECONDS * 2.0 ** min(tries - 1, 30), LONGEST_WAIT_SECONDS)
    return max(longest * random.uniform(0.5, 1.0), retry_after)  # noqa: S311 - nothing is secret about it


class Ear:
    """Hears of events as they come, and of anything else that a courier has to look into."""

    def __init__(self) -> None:
        self.wanted = Wanted()
        self.is_deaf = False
        """Whether another event is no reason to wake up: there is one already that has to wait."""
        self._woken = asyncio.Event()

    def offer(self, event: EventRow) -> None:
        """Wake the courier if the event is for it."""
        if not self.is_deaf and self.wanted.takes(event):
            self._woken.set()

    @property
    def is_woken(self) -> bool:
        """Whether there is something to look into."""
        return self._woken.is_set()

    def rouse(self) -> None:
        """Wake the courier."""
        self._woken.set()

    async def wait(self, seconds: float) -> None:
        """Sleep until woken, at most ``seconds``."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()

    def attend(self) -> None:
        """Begin to look into all that it was woken for; what comes after this, events too, wakes it again."""
        self._woken.clear()
        self.is_deaf = False


class Courier:
    """Delivers one webhook's events, for as long as it is enabled."""

    def __init__(self, webhook_id: int, sender: Sender, feed: Feed, patience: Patience, owner: str) -> None:
        self.ear = Ear()
        self.revision = 0
        """The webhook's, as it was last looked at."""
        self._id = webhook_id
        self._sender = sender
        self._feed = feed
        self._patience = patience
        self._lease = Lease(owner, sender.seconds * 2.0 + _LEASE_SPARE_SECONDS)
        self._leased_until = 0.0
        self._stopping = False

    def stop(self) -> None:
        """Have it end after the event that it is at."""
        self._stopping = True
        self.ear.rouse()

    async def run(self) -> None:
        """Deliver; returns when the webhook is disabled or gone. Raises DatabaseUnavailable."""
        async with self._feed.joined():
            with self._feed.listening(self.ear):
                while not self._stopping:
                    self.ear.attend()
                    webhook = await Webhook.get_or_none(id=self._id, enabled=True)
                    if webhook is None:
                        return
                    self.revision, self.ear.wanted = webhook.revision, wanted_by(webhook)
                    pause = await self._go_on(webhook)
                    if pause:
                        await self.ear.wait(pause)

    async def _go_on(self, webhook: Webhook) -> float:
        """Deal with the next events; returns for how many seconds there is nothing to do."""
        here = self._feed.position  # what comes after it may still be overtaken by an event with a smaller id
        events = await waiting_for(webhook, here).limit(_PAGE)
        self.ear.is_deaf = bool(events)
        if not events:
            if here - webhook.position >= _PASSED_OVER:
                await ledger.pass_over(webhook, here)
            return _IDLE_SECONDS
        now = datetime.now(UTC)
        if webhook.next_try_at is not None and webhook.next_try_at > now:
            return (webhook.next_try_at - now).total_seconds()
        for event in events:
            if not await self._hold(webhook, event):
                return _OTHERS_LEASE_SECONDS
            if not await self._deliver(webhook, event) or self.ear.is_woken:
                break  # what is to be done next stands in the row
        return 0

    async def _hold(self, webhook: Webhook, event: Event) -> bool:
        """Have the lease for as long as a try may take."""
        now = time.monotonic()
        if webhook.lease_owner == self._lease.owner and self._leased_until - now > self._sender.seconds + 5:
            return True
        if not await ledger.take(webhook, event, self._lease):
            return False
        webhook.lease_owner = self._lease.owner
        self._leased_until = now + self._lease.seconds
        return True

    async def _deliver(self, webhook: Webhook, event: Event) -> bool:
        """Send an event and write down what came of it; returns whether it was delivered."""
        message = Message.of(webhook, event)
        answer = await self._sender.send(webhook, message)
        if answer.is_delivered:
            return await ledger.close(webhook, event, answer, self._lease)
        tries = webhook.tries + 1
        told = log.bind(webhook=webhook.id, event_id=event.id, tries=tries)
        if answer.says_gone:
            told.warning("webhook.disabled", reason=GONE)
            await ledger.disable(webhook, event, answer, self._lease, GONE)
        elif self._patience.is_over(webhook, event, answer, datetime.now(UTC)):
            told.warning("webhook.given_up", reason=answer.error)
            await ledger.close(webhook, event, answer, self._lease, message.body)
        else:
            if tries == 1:
                told.warning("webhook.put_off", reason=answer.error)
            await ledger.put_off(webhook, event, answer, self._lease, wait_seconds(tries, answer.retry_after))
        return False
