# SPDX-License-Identifier: GPL-3.0-or-later
"""From the ``Authorization`` header to the caller: one query for each request, by hand, and no lock.

What the database says counts, not what the token remembers: a user that was disabled a moment ago (by another
process, too) is nobody, and a permission that was taken away is gone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime

from starlette.requests import HTTPConnection

from hostler.accounts.opaque import API_TOKEN_START, digest
from hostler.accounts.service import Accounts
from hostler.accounts.signing import Signer
from hostler.accounts.token_use import TokenUse
from hostler.database import rows
from hostler.errors import Unauthenticated
from hostler.permission import Caller, Credential, Permission, known_permissions

_BY_SESSION = """
SELECT username, permissions FROM user_account
WHERE id = ? AND session_epoch = ? AND enabled
AND NOT EXISTS (SELECT 1 FROM refresh_token WHERE family = ? AND revoked_at IS NOT NULL)
"""
_BY_API_HASH = """
SELECT t.id, t.scopes, t.user_id, u.username, u.permissions
FROM api_token t JOIN user_account u ON u.id = t.user_id
WHERE t.token_hash = ? AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > ?) AND u.enabled
"""


async def authenticate(connection: HTTPConnection) -> Caller:
    """Return who asks; raises Unauthenticated."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated
    accounts: Accounts = connection.app.state.accounts
    if token.startswith(API_TOKEN_START):
        return await _by_api_token(token, accounts.token_use)
    return await _by_access_token(token, accounts.signer)


async def _by_access_token(token: str, signer: Signer) -> Caller:
    claims = signer.read(token)
    found = await rows(_BY_SESSION, claims.user_id, claims.epoch, claims.session)
    if not found:
        raise Unauthenticated
    (user,) = found
    permissions = known_permissions(_names(user["permissions"]))
    return Caller(claims.user_id, user["username"], permissions, Credential.SESSION, claims.session)


async def _by_api_token(token: str, token_use: TokenUse) -> Caller:
    found = await rows(_BY_API_HASH, digest(token), datetime.now(UTC))
    if not found:
        raise Unauthenticated
    (row,) = found
    token_use.note(row["id"])
    permissions: frozenset[Permission] = known_permissions(_names(row["permissions"]))
    scopes = known_permissions(_names(row["scopes"]))
    return Caller(row["user_id"], row["username"], permissions & scopes, Credential.API_TOKEN)


def _names(stored: str | list[str]) -> Iterable[str]:
    """Return a JSON list's items: PostgreSQL gives the list, SQLite its text."""
    names: list[str] = json.loads(stored) if isinstance(stored, str) else stored
    return names
