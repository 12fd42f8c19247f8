# SPDX-License-Identifier: GPL-3.0-or-later
"""Callers that were told apart a moment ago: while nothing at all was written to the database, they are who they were.

A client sends the same credential with each of its requests. What it is worth is the database's to say, which is asked
again after any commit, whoever made it: a user who is disabled, here or by a command beside the service, is nobody at
the next request. Where the database's version can't be told without asking (PostgreSQL) nobody is remembered.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from datetime import UTC, datetime

from hostler.permission import Caller

_REMEMBERED_AT_MOST = 10_000


class KnownCallers:
    """Callers by their tokens, with the version of the database that told who they are."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[Hashable, datetime | None, Caller]] = OrderedDict()

    def get(self, token: str, version: Hashable | None) -> Caller | None:
        """Who sends ``token``, if that is known of this version of the database, and the token has not expired."""
        if version is None or (known := self._known.get(token)) is None:
            return None
        known_by, expires_at, caller = known
        if known_by != version or (expires_at is not None and expires_at <= datetime.now(UTC)):
            return None
        return caller

    def put(self, token: str, version: Hashable | None, caller: Caller, expires_at: datetime | None = None) -> None:
        """Remember who sends ``token``. ``version`` is what it was before the database was asked."""
        if version is None:
            return
        self._known[token] = version, expires_at, caller
        if len(self._known) > _REMEMBERED_AT_MOST:
            self._known.popitem(last=False)
