# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done to API tokens, whoever asks: the routes and the command line."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tortoise.transactions import in_transaction

from hostler.accounts.models import ApiToken
from hostler.accounts.opaque import digest, new_api_token
from hostler.audit.record import Target, record
from hostler.errors import FieldProblem, InvalidRequest, NotFound
from hostler.permission import Permission


async def get_token(token_id: int) -> ApiToken:
    """Return a token with its user; raises NotFound."""
    token = await ApiToken.get_or_none(id=token_id).select_related("user")
    if token is None:
        raise NotFound(f"Token with ID {token_id} not found", code="token_not_found")
    return token


async def create_token(
    user_id: int,
    name: str,
    scopes: Sequence[Permission],
    grantable: Collection[str],
    expires_in_days: int | None,
    made_by: int | None = None,
) -> tuple[ApiToken, str]:
    """Create a token, and return it with its secret, which is stored nowhere.

    ``grantable`` is what whoever asks may do itself, ``made_by`` the id of the token that it asks with: the new one
    ends with that at the latest, or a token would be as good as one for ever. Raises InvalidRequest for a scope that is
    not among ``grantable``.
    """
    excess = [scope for scope in scopes if scope not in grantable]
    if excess:
        message = f"a token can't have more permissions than its owner, who lacks {', '.join(excess)}"
        raise InvalidRequest(
            f"The request is not valid: 'scopes': {message}", errors=[FieldProblem("scopes", message)], code="scopes"
        )
    secret, prefix = new_api_token()
    expires_at = None if expires_in_days is None else datetime.now(UTC) + timedelta(days=expires_in_days)
    maker = None if made_by is None else await ApiToken.get_or_none(id=made_by)
    if maker is not None and maker.expires_at is not None:
        expires_at = maker.expires_at if expires_at is None else min(expires_at, maker.expires_at)
    async with in_transaction():
        token = await ApiToken.create(
            name=name,
            prefix=prefix,
            token_hash=digest(secret),
            user_id=user_id,
            scopes=list(scopes),
            expires_at=expires_at,
        )
        await token.fetch_related("user")
        record("token.create", target=_target(token), after=_audited(token))
    return token, secret


async def revoke_token(token: ApiToken) -> None:
    """Make a token useless from now on; one that is already stays so."""
    async with in_transaction():
        now = datetime.now(UTC)
        if await ApiToken.filter(id=token.id, revoked_at=None).update(revoked_at=now):
            token.revoked_at = now
            await token.fetch_related("user")
            record("token.revoke", target=_target(token), before=_audited(token))


def _target(token: ApiToken) -> Target:
    return Target("token", token.id, token.name)


def _audited(token: ApiToken) -> dict[str, Any]:
    return {
        "user": token.user.username,
        "prefix": token.prefix,
        "scopes": list(token.scopes),
        "expires_at": token.expires_at,
    }
