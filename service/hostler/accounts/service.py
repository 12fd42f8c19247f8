# SPDX-License-Identifier: GPL-3.0-or-later
"""What the accounts keep in a running service, as ``app.state.accounts``."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta

from fastapi import Request

from hostler.accounts.known_callers import KnownCallers
from hostler.accounts.sessions import Sessions
from hostler.accounts.signing import Signer, load_signer
from hostler.accounts.throttle import Throttle
from hostler.accounts.token_use import TokenUse
from hostler.settings import Settings


@dataclass(frozen=True, slots=True)
class Accounts:
    """The signer of access tokens, sessions, the throttle of logins, tokens' uses not written yet, known callers."""

    signer: Signer
    sessions: Sessions
    throttle: Throttle
    token_use: TokenUse
    known_callers: KnownCallers = field(default_factory=KnownCallers)


@contextlib.asynccontextmanager
async def open_accounts(settings: Settings) -> AsyncIterator[Accounts]:
    """Be ready to tell callers apart in the block, with the database connected; raises KeyFileError."""
    signer = load_signer(settings)
    sessions = Sessions(signer, timedelta(days=settings.refresh_token_days))
    accounts = Accounts(signer, sessions, Throttle(), TokenUse())
    async with accounts.token_use.writing():
        yield accounts


async def accounts_of(request: Request) -> Accounts:
    """Return the running service's accounts, as a dependency of routes."""
    accounts: Accounts = request.app.state.accounts
    return accounts
