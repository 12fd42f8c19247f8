# SPDX-License-Identifier: GPL-3.0-or-later
"""From the ``Authorization`` header to the caller: one query by hand, and none while the database stays the same.

What the database says counts, not what the token remembers: a user that was disabled a moment ago (by another
process, too) is nobody, and a permission that was taken away is gone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from starlette.requests import HTTPConnection

from hostler.accounts.opaque import API_TOKEN_START, digest
from hostler.accounts.service import Accounts
from hostler.accounts.signing import AccessClaims
from hostler.database import rows, version_now
from hostler.permission import Caller, Credential, CredentialRefused, Permission, known_permissions

BY_SESSION = """
SELECT username, permissions FROM user_account
WHERE id = ? AND session_epoch = ? AND enabled
AND NOT EXISTS (SELECT 1 FROM refresh_token WHERE family = ? AND revoked_at IS NOT NULL)
"""
_BY_API_HASH = """
SELECT t.id, t.name, t.prefix, t.scopes, t.user_id, t.expires_at, u.username, u.permissions,
t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > ?) AND u.enabled AS is_good
FROM api_token t JOIN user_account u ON u.id = t.user_id
WHERE t.token_hash = ?
"""
_NAME = "SELECT username FROM user_account WHERE id = ?"


@dataclass(frozen=True, slots=True)
class Bearer:
    """The token of an ``Authorization`` header, of whatever kind."""

    token: str = field(repr=False)
    accounts: Accounts = field(repr=False, compare=False)

    @classmethod
    def of(cls, connection: HTTPConnection) -> Bearer:
        """Return what the connection's header holds; raises Unauthenticated if that is no token."""
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise CredentialRefused("no_credential")
        return cls(token, connection.app.state.accounts)

    async def caller(self) -> Caller:
        """Return who it is, as things stand now; raises Unauthenticated."""
        if self.token.startswith(API_TOKEN_START):
            return await _by_api_token(self.token, self.accounts)
        return await _by_access_token(self.token, self.accounts)


async def authenticate(connection: HTTPConnection) -> Caller:
    """Return who asks; raises Unauthenticated."""
    return await Bearer.of(connection).caller()


async def _by_access_token(token: str, accounts: Accounts) -> Caller:
    claims = accounts.signer.read(token)
    version = version_now()
    if (known := accounts.known_callers.get(token, version)) is not None:
        return known
    found = await rows(BY_SESSION, claims.user_id, claims.epoch, claims.session)
    if not found:
        raise await _session_over(claims)
    (user,) = found
    permissions = known_permissions(stored_names(user["permissions"]))
    caller = Caller(claims.user_id, user["username"], permissions, Credential.SESSION, claims.session)
    accounts.known_callers.put(token, version, caller)
    return caller


async def _by_api_token(token: str, accounts: Accounts) -> Caller:
    version = version_now()
    caller = accounts.known_callers.get(token, version)
    if caller is None:
        found = await rows(_BY_API_HASH, datetime.now(UTC), digest(token))
        if not found:
            raise CredentialRefused("unknown_token")
        (row,) = found
        permissions: frozenset[Permission] = known_permissions(stored_names(row["permissions"]))
        scopes = known_permissions(stored_names(row["scopes"]))
        caller = Caller(
            row["user_id"],
            row["username"],
            permissions & scopes,
            Credential.API_TOKEN,
            token_id=row["id"],
            token_prefix=row["prefix"],
            token_name=row["name"],
        )
        if not row["is_good"]:
            raise CredentialRefused("token_ended", caller)
        accounts.known_callers.put(token, version, caller, _moment(row["expires_at"]))
    assert caller.token_id is not None  # noqa: S101 - set above
    accounts.token_use.note(caller.token_id)
    return caller


async def _session_over(claims: AccessClaims) -> CredentialRefused:
    """What refuses an access token that was ours, and whose session has ended since, or whose user is disabled."""
    found = await rows(_NAME, claims.user_id)
    if not found:
        return CredentialRefused("session_ended")
    owner = Caller(claims.user_id, found[0]["username"], frozenset(), Credential.SESSION, claims.session)
    return CredentialRefused("session_ended", owner)


def _moment(stored: str | datetime | None) -> datetime | None:
    """PostgreSQL gives a time, SQLite its text."""
    return datetime.fromisoformat(stored) if isinstance(stored, str) else stored


def stored_names(stored: str | list[str]) -> Iterable[str]:
    """Return a JSON list's items: PostgreSQL gives the list, SQLite its text."""
    names: list[str] = json.loads(stored) if isinstance(stored, str) else stored
    return names
