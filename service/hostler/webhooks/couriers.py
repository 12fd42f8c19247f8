# SPDX-License-Identifier: GPL-3.0-or-later
"""The couriers of all webhooks: one for each that is enabled, made and ended as webhooks come and go."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Hashable
from typing import Annotated

import structlog
from fastapi import Depends, Request

from hostler.database import DatabaseUnavailable, rows, version_now
from hostler.database.queries import dialect
from hostler.events.feed import Feed
from hostler.sealing import Sealer
from hostler.settings import Settings
from hostler.webhooks import ledger
from hostler.webhooks.courier import Courier, Patience
from hostler.webhooks.sending import Sender

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
"""How long a change of a webhook, by whatever process, may go unnoticed."""
GOODBYE_SECONDS = 2.0
"""How long a shutdown waits for what is being sent; what is cut off is sent again by the next service."""

_ENABLED = "SELECT id, revision FROM webhook WHERE enabled"


class Couriers:
    """Who delivers, of this process."""

    def __init__(self, sender: Sender, feed: Feed, patience: Patience) -> None:
        self.sender = sender
        self._feed = feed
        self._patience = patience
        self._owner = secrets.token_hex(16)
        self._at_work: dict[int, tuple[Courier, asyncio.Task[None]]] = {}
        self._looked_at: Hashable | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, settings: Settings, sealer: Sealer, feed: Feed) -> AsyncIterator[Couriers]:
        """Make them, and have them deliver in the block."""
        async with Sender.opened(settings, sealer) as sender:
            couriers = cls(sender, feed, Patience(settings.webhook_tries, settings.webhook_retry_hours))
            if dialect() == "sqlite":
                await ledger.end_all_leases()  # there is no other service on this file
            watch = asyncio.create_task(couriers._watch(), name="webhooks")
            try:
                yield couriers
            finally:
                watch.cancel()
                await asyncio.gather(watch, return_exceptions=True)
                await couriers._close()

    async def _watch(self) -> None:
        while True:
            try:
                await self._look()
            except DatabaseUnavailable as error:
                log.warning("webhooks.database_unavailable", reason=str(error))
            except Exception:
                log.exception("webhooks.unreadable")
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        """Have a courier for each webhook that is enabled, and rouse those whose webhook was changed or taken away."""
        version = version_now()
        ended = [webhook_id for webhook_id, (_, task) in self._at_work.items() if task.done()]
        if version is not None and version == self._looked_at and not ended:
            return
        for webhook_id in ended:
            del self._at_work[webhook_id]
        enabled = {row["id"]: row["revision"] for row in await rows(_ENABLED)}
        for webhook_id in enabled.keys() - self._at_work.keys():
            self._start(webhook_id)
        for webhook_id, (courier, _) in self._at_work.items():
            if courier.revision != enabled.get(webhook_id):
                courier.ear.rouse()
        self._looked_at = version

    def _start(self, webhook_id: int) -> None:
        courier = Courier(webhook_id, self.sender, self._feed, self._patience, self._owner)
        task = asyncio.create_task(self._run(courier, webhook_id), name=f"webhook-{webhook_id}")
        self._at_work[webhook_id] = courier, task

    async def _run(self, courier: Courier, webhook_id: int) -> None:
        structlog.contextvars.clear_contextvars()
        try:
            await courier.run()
        except DatabaseUnavailable as error:
            log.warning("webhook.database_unavailable", webhook=webhook_id, reason=str(error))
        except Exception:
            log.exception("webhook.failed", webhook=webhook_id)

    async def _close(self) -> None:
        tasks = [task for _, task in self._at_work.values()]
        for courier, _ in self._at_work.values():
            courier.stop()
        if tasks:
            await asyncio.wait(tasks, timeout=GOODBYE_SECONDS)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(DatabaseUnavailable):
            await ledger.give_back(self._owner)


async def _couriers_of(request: Request) -> Couriers:
    couriers: Couriers = request.app.state.couriers
    return couriers


CouriersOf = Annotated[Couriers, Depends(_couriers_of)]
"""A route's parameter for them."""
