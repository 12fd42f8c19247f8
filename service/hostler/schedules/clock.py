# SPDX-License-Identifier: GPL-3.0-or-later
"""The clock that looks every second whose time has come, in each service."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import structlog

from hostler.database import DatabaseUnavailable
from hostler.schedules.due import attend_to, due
from hostler.settings import Settings

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
"""How late a run may be because nobody has looked."""
_LEFT_ALONE = timedelta(minutes=1)
"""For how long a schedule is let be that nobody expected to fail: the log is not to hold it each second."""

Now = Callable[[], datetime]


def utc_now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


class Clock:
    """Looks whose time has come, by what ``now`` says."""

    def __init__(self, settings: Settings, now: Now = utc_now) -> None:
        self._settings = settings
        self._now = now
        self._left_alone: dict[int, datetime] = {}

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look again and again in the block."""
        task = asyncio.create_task(self._run(), name="schedules")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except DatabaseUnavailable as error:
                log.warning("schedules.database_unavailable", reason=str(error))
            except Exception:
                log.exception("schedules.unreadable")
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Attend to every schedule whose time has come."""
        now = self._now()
        self._left_alone = {one: until for one, until in self._left_alone.items() if until > now}
        for schedule_id in await due(now):
            if schedule_id in self._left_alone:
                continue
            try:
                await attend_to(schedule_id, self._settings, now)
            except DatabaseUnavailable:
                raise
            except Exception:
                log.exception("schedule.failed", schedule=schedule_id)
                self._left_alone[schedule_id] = now + _LEFT_ALONE
