# SPDX-License-Identifier: GPL-3.0-or-later
"""Tickets: what opens one stream, once and within half a minute, where a browser can't send a header.

A ticket stands in a URL, and so in logs and histories of others: by then it is worth nothing. It may do what the
credential could that it was asked for with, and the stream that it opened ends when that credential does.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tortoise.transactions import in_transaction

from hostler.accounts.credentials import BY_SESSION, stored_names
from hostler.accounts.models import StreamTicket, User
from hostler.accounts.opaque import digest, new_ticket
from hostler.database import rows
from hostler.errors import Unauthenticated
from hostler.permission import Caller, Credential, CredentialRefused, Permission, known_permissions

LIFE_SECONDS = 30
"""How long a ticket may wait for its stream."""

_API_TOKEN = "api token "  # noqa: S105 - how a ticket names one: with its id, in the place of a session

# one statement: of two who come with the same ticket, one finds it
_REDEEM = """
DELETE FROM stream_ticket WHERE ticket_hash = ? AND expires_at > ? RETURNING user_id, permissions, session, epoch
"""
_OF_API_OWNER = """
SELECT u.username, u.permissions FROM api_token t JOIN user_account u ON u.id = t.user_id
WHERE u.id = ? AND t.id = ? AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > ?) AND u.enabled
"""


@dataclass(frozen=True, slots=True)
class Redeemed:
    """A ticket that has opened a stream."""

    user_id: int
    permissions: frozenset[Permission]
    session: str
    epoch: int
    ends_at: float
    """Seconds since 1970: when an access token that was new then has expired; a session's stream lasts no longer."""

    async def caller(self) -> Caller:
        """Return whose it is now; raises Unauthenticated when the credential that it was asked for with is gone."""
        if self.session.startswith(_API_TOKEN):
            token_id = int(self.session.removeprefix(_API_TOKEN))
            found = await rows(_OF_API_OWNER, self.user_id, token_id, datetime.now(UTC))
            kind, session = Credential.API_TOKEN, ""
        else:
            if time.time() >= self.ends_at:
                raise Unauthenticated
            found = await rows(BY_SESSION, self.user_id, self.epoch, self.session)
            kind, session = Credential.SESSION, self.session
        if not found:
            raise Unauthenticated
        (row,) = found
        permissions = self.permissions & known_permissions(stored_names(row["permissions"]))
        return Caller(self.user_id, row["username"], permissions, kind, session)


async def make_ticket(caller: Caller) -> str:
    """Return a new ticket, of which only a hash is stored; those that have expired are forgotten on the way.

    Raises Unauthenticated if the user is gone by now.
    """
    now = datetime.now(UTC)
    ticket = new_ticket()
    async with in_transaction():
        user = await User.get_or_none(id=caller.user_id, enabled=True)
        if user is None:
            raise Unauthenticated
        await prune_tickets()
        await StreamTicket.create(
            ticket_hash=digest(ticket),
            user_id=user.id,
            permissions=sorted(caller.permissions),
            session=caller.session if caller.token_id is None else f"{_API_TOKEN}{caller.token_id}",
            epoch=user.session_epoch,
            expires_at=now + timedelta(seconds=LIFE_SECONDS),
        )
    return ticket


async def redeem(ticket: str, lifetime: timedelta) -> Redeemed:
    """Take a ticket, which is good no more; ``lifetime`` is an access token's. Raises Unauthenticated."""
    found = await rows(_REDEEM, digest(ticket), datetime.now(UTC))
    if not found:
        raise CredentialRefused("unknown_ticket")
    (row,) = found
    return Redeemed(
        row["user_id"],
        known_permissions(stored_names(row["permissions"])),
        row["session"],
        row["epoch"],
        time.time() + lifetime.total_seconds(),
    )


async def prune_tickets() -> None:
    """Forget the tickets that nobody has used in time."""
    await StreamTicket.filter(expires_at__lte=datetime.now(UTC)).delete()
