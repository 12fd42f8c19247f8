# SPDX-License-Identifier: GPL-3.0-or-later
"""Which entries are looked for, whoever looks: the route and the command line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from tortoise.queryset import QuerySet

from hostler.audit.models import AuditEntry, Outcome

_PIECE = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Entries that have all of what is not None."""

    actor: str | None = None
    action: str | None = None
    """A whole slug, or ``user.*`` for all of that kind."""
    target_kind: str | None = None
    target_id: int | None = None
    outcome: Outcome | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Not included."""
    after_id: int | None = None

    async def pieces(self, limit: int) -> AsyncIterator[list[AuditEntry]]:
        """Yield the newest ``limit``, all for 0, in the order of their ids and in pieces."""
        after = 0
        if limit:
            oldest = await self.query().order_by("-id").offset(limit - 1).first()
            after = 0 if oldest is None else oldest.id - 1
        while piece := await self.query().filter(id__gt=after).order_by("id").limit(_PIECE):
            yield piece
            after = piece[-1].id

    def query(self) -> QuerySet[AuditEntry]:
        """The query that finds them."""
        found = AuditEntry.all()
        if self.actor is not None:
            found = found.filter(actor=self.actor)
        if self.action is not None and self.action.endswith(".*"):
            # as a range, which an index has: '/' is what comes after '.'
            kind = self.action.removesuffix(".*")
            found = found.filter(action__gt=f"{kind}.", action__lt=f"{kind}/")
        elif self.action is not None:
            found = found.filter(action=self.action)
        if self.target_kind is not None:
            found = found.filter(target_kind=self.target_kind)
        if self.target_id is not None:
            found = found.filter(target_id=self.target_id)
        if self.outcome is not None:
            found = found.filter(outcome=self.outcome.value)
        if self.since is not None:
            found = found.filter(at__gte=self.since)
        if self.until is not None:
            found = found.filter(at__lt=self.until)
        if self.after_id is not None:
            found = found.filter(id__gt=self.after_id)
        return found
