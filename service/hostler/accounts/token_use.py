# SPDX-License-Identifier: GPL-3.0-or-later
"""When API tokens were last used: noted in memory, written every half minute, so that no GET writes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import structlog
from tortoise.transactions import in_transaction

from hostler.accounts.models import ApiToken
from hostler.database import DatabaseUnavailable

log = structlog.get_logger(__name__)

WRITE_SECONDS = 30


class TokenUse:
    """The uses that are not written yet: token id to time."""

    def __init__(self) -> None:
        self._noted: dict[int, datetime] = {}

    def note(self, token_id: int) -> None:
        """Remember that the token is in use now."""
        self._noted[token_id] = datetime.now(UTC)

    async def write(self) -> None:
        """Write what was noted, in one transaction; what can't be written now is kept for the next time."""
        noted, self._noted = self._noted, {}
        if not noted:
            return
        try:
            async with in_transaction():
                for token_id, moment in noted.items():
                    await ApiToken.filter(id=token_id).update(last_used_at=moment)
        except DatabaseUnavailable as error:
            self._noted = noted | self._noted
            log.warning("last use of tokens not written", reason=str(error))

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Write every half minute in the block, and once more at its end."""
        task = asyncio.create_task(self._write_for_ever(), name="token use")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await self.write()

    async def _write_for_ever(self) -> None:
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            await self.write()
