# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions: what begins with a login, an access token for minutes and a refresh token to exchange for the next pair.

Each refresh token can be used once. A second use means that somebody has a copy, and nobody can tell who: the whole
session ends, access tokens included.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tortoise.transactions import in_transaction

from hostler.accounts.models import ApiToken, RefreshToken, User
from hostler.accounts.opaque import digest, new_refresh_token
from hostler.accounts.signing import AccessClaims, Signer
from hostler.audit.models import Outcome
from hostler.audit.origin import origin
from hostler.audit.record import Target, record
from hostler.permission import CredentialRefused


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a login or a refresh hands out; ``expires_in`` is the access token's life in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int


class Sessions:
    """Begins, continues and ends sessions."""

    def __init__(self, signer: Signer, refresh_lifetime: timedelta) -> None:
        self._signer = signer
        self._refresh_lifetime = refresh_lifetime

    async def begin(self, user: User) -> TokenPair:
        """Begin a session of ``user``, whose password was just checked."""
        async with in_transaction():
            await RefreshToken.filter(user_id=user.id, expires_at__lt=datetime.now(UTC)).delete()
            record("login.succeeded", target=_target(user), by=origin().of_user(user.id, user.username))
            return await self._issue(user, secrets.token_hex(16))

    async def refresh(self, token: str) -> TokenPair:
        """Exchange a refresh token for a new pair.

        Raises Unauthenticated if it is unknown, expired or revoked, or if its user is disabled; and if it was used
        before, which also ends the session.
        """
        now = datetime.now(UTC)
        token_hash = digest(token)
        async with in_transaction():
            fresh = await RefreshToken.filter(
                token_hash=token_hash, used_at=None, revoked_at=None, expires_at__gt=now
            ).update(used_at=now)
            found = await RefreshToken.get_or_none(token_hash=token_hash).select_related("user")
            if fresh and found is not None and found.user.enabled:
                return await self._issue(found.user, found.family)
            # once for each session: whoever has the token can come again and again
            if found is not None and found.used_at is not None and await self._revoke_family(found.family, now):
                record("session.reused", Outcome.DENIED, target=_target(found.user))
        raise CredentialRefused("refresh_token")

    async def end(self, token: str) -> None:
        """End the session of a refresh token, whatever state the token is in; an unknown one is no error."""
        found = await RefreshToken.get_or_none(token_hash=digest(token)).select_related("user")
        if found is None:
            return
        async with in_transaction():
            if await self._revoke_family(found.family, datetime.now(UTC)):
                user = found.user
                record("session.ended", target=_target(user), by=origin().of_user(user.id, user.username))

    async def _revoke_family(self, family: str, now: datetime) -> int:
        """End the session; returns 0 for one that had ended."""
        return await RefreshToken.filter(family=family, revoked_at=None).update(revoked_at=now)

    async def _issue(self, user: User, family: str) -> TokenPair:
        refresh_token = new_refresh_token()
        await RefreshToken.create(
            token_hash=digest(refresh_token),
            family=family,
            user_id=user.id,
            expires_at=datetime.now(UTC) + self._refresh_lifetime,
        )
        access_token = self._signer.sign(AccessClaims(user.id, user.session_epoch, family))
        return TokenPair(access_token, refresh_token, int(self._signer.lifetime.total_seconds()))


async def end_everything(user: User) -> None:
    """End every session of ``user`` and revoke every API token, at once; run it inside the change's transaction."""
    now = datetime.now(UTC)
    user.session_epoch += 1
    await user.save(update_fields=["session_epoch", "updated_at"])
    await RefreshToken.filter(user_id=user.id, revoked_at=None).update(revoked_at=now)
    await ApiToken.filter(user_id=user.id, revoked_at=None).update(revoked_at=now)


def _target(user: User) -> Target:
    return Target("user", user.id, user.username)
