# SPDX-License-Identifier: GPL-3.0-or-later
"""``/api/auth``, ``/api/users``, ``/api/tokens``."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Form, Query, Request

from hostler.accounts import api_tokens, tickets, users
from hostler.accounts.login import check_password
from hostler.accounts.models import ApiToken, User
from hostler.accounts.passwords import LONGEST
from hostler.accounts.schemas import (
    ApiTokenAnswer,
    Me,
    NewApiTokenAnswer,
    PasswordChange,
    RefreshBody,
    TicketAnswer,
    TokenAnswer,
    TokenCreate,
    UserAnswer,
    UserChange,
    UserCreate,
)
from hostler.accounts.service import Accounts, accounts_of
from hostler.bodies import Done, RowId, StorableText
from hostler.errors import Forbidden
from hostler.paging import Page, Paging, fetch_page
from hostler.permission import Caller, Credential, Permission, Public, Requires, decide
from hostler.routing import Router

auth = Router(prefix="/api/auth", tags=["auth"])
user_routes = Router(prefix="/api/users", tags=["users"])
token_routes = Router(prefix="/api/tokens", tags=["tokens"])

Admin = Annotated[Caller, Requires("admin")]
Anybody = Annotated[Caller, Requires()]
Here = Annotated[Accounts, Depends(accounts_of)]


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


@auth.post("/login", summary="Log in")
async def login(
    _access: Annotated[None, Public()],
    request: Request,
    accounts: Here,
    username: Annotated[StorableText, Form(max_length=LONGEST)],
    password: Annotated[StorableText, Form(max_length=LONGEST, json_schema_extra={"format": "password"})],
) -> TokenAnswer:
    """Take the form fields ``username`` and ``password`` and answer an access and a refresh token."""
    user = await check_password(accounts.throttle, username, password, _address(request))
    return TokenAnswer.model_validate(await accounts.sessions.begin(user))


@auth.post("/refresh", summary="Exchange a refresh token for the next pair")
async def refresh(_access: Annotated[None, Public()], accounts: Here, body: RefreshBody) -> TokenAnswer:
    """Exchange a refresh token. Each can be used once: a second use ends the session."""
    return TokenAnswer.model_validate(await accounts.sessions.refresh(body.refresh_token))


@auth.post("/logout", summary="Log out")
async def logout(_access: Annotated[None, Public()], accounts: Here, body: RefreshBody) -> Done:
    """End the session of a refresh token, its access tokens included."""
    await accounts.sessions.end(body.refresh_token)
    return Done(message="Logged out successfully")


@auth.get("/me", summary="Who the caller is")
async def me(caller: Anybody) -> Me:
    """Answer who the caller is, and what it may do with this credential."""
    permissions = [permission for permission in Permission if permission in caller.permissions]
    return Me(id=caller.user_id, username=caller.name, permissions=permissions, credential=caller.credential)


@auth.post("/ticket", summary="Get a ticket for a stream")
async def make_ticket(caller: Anybody) -> TicketAnswer:
    """Answer a ticket that opens one stream, once and within 30 seconds, where a browser can't send a header."""
    return TicketAnswer(ticket=await tickets.make_ticket(caller), expires_in=tickets.LIFE_SECONDS)


@auth.post("/password", summary="Change one's own password")
async def change_password(caller: Anybody, request: Request, accounts: Here, body: PasswordChange) -> TokenAnswer:
    """Change the caller's password. It ends all of its sessions and API tokens, and begins a new session."""
    if caller.credential is not Credential.SESSION:
        raise Forbidden
    await check_password(accounts.throttle, caller.name, body.current_password.get_secret_value(), _address(request))
    user = await users.change_user(caller.user_id, password=body.new_password.get_secret_value())
    return TokenAnswer.model_validate(await accounts.sessions.begin(user))


@user_routes.get("", summary="List users")
async def list_users(_caller: Admin, paging: Paging) -> Page[UserAnswer]:
    """List users, sorted by id."""
    found, total = await fetch_page(User.all(), paging)
    return Page[UserAnswer].of([UserAnswer.model_validate(user) for user in found], total, paging)


@user_routes.post("", status_code=201, summary="Create a user")
async def create_user(_caller: Admin, body: UserCreate) -> UserAnswer:
    """Create a user."""
    user = await users.create_user(
        body.username, body.password.get_secret_value(), body.permissions, enabled=body.enabled
    )
    return UserAnswer.model_validate(user)


@user_routes.get("/{user_id}", summary="Get a user")
async def get_user(_caller: Admin, user_id: RowId) -> UserAnswer:
    """Answer one user."""
    return UserAnswer.model_validate(await users.get_user(user_id))


@user_routes.put("/{user_id}", summary="Change a user")
async def change_user(_caller: Admin, user_id: RowId, body: UserChange) -> UserAnswer:
    """Change what the body names. A new password, or disabling, ends the user's sessions and API tokens at once."""
    user = await users.change_user(
        user_id,
        username=body.username,
        password=body.password.get_secret_value() if body.password else None,
        permissions=body.permissions,
        enabled=body.enabled,
    )
    return UserAnswer.model_validate(user)


@user_routes.delete("/{user_id}", summary="Delete a user")
async def delete_user(_caller: Admin, user_id: RowId) -> Done:
    """Delete a user with its sessions and tokens; its VMs and jobs stay."""
    user = await users.delete_user(user_id)
    return Done(message=f"User '{user.username}' deleted successfully")


@token_routes.get("", summary="List API tokens")
async def list_tokens(
    caller: Anybody,
    paging: Paging,
    user_id: Annotated[RowId | None, Query(description="Only this user's; others' are for administrators")] = None,
) -> Page[ApiTokenAnswer]:
    """List API tokens that are not revoked, sorted by id: the caller's own, or for an administrator everybody's."""
    query = ApiToken.filter(revoked_at=None).select_related("user")
    if Permission.ADMIN not in caller.permissions:
        query = query.filter(user_id=caller.user_id)
    if user_id is not None:
        query = query.filter(user_id=user_id)
    found, total = await fetch_page(query, paging)
    return Page[ApiTokenAnswer].of([ApiTokenAnswer.model_validate(token) for token in found], total, paging)


@token_routes.post("", status_code=201, summary="Create an API token")
async def create_token(caller: Anybody, body: TokenCreate) -> NewApiTokenAnswer:
    """Create an API token of the caller's; the answer's ``token`` is shown this once.

    One that is asked for with an API token ends with that one at the latest.
    """
    token, secret = await api_tokens.create_token(
        caller.user_id, body.name, body.scopes, caller.permissions, body.expires_in_days, caller.token_id
    )
    answer = ApiTokenAnswer.model_validate(token)
    return NewApiTokenAnswer(**dict(answer), token=secret)


@token_routes.get("/{token_id}", summary="Get an API token")
async def get_token(caller: Anybody, token_id: RowId) -> ApiTokenAnswer:
    """Answer one API token, without its secret."""
    token = await api_tokens.get_token(token_id)
    decide(caller, None, token)
    return ApiTokenAnswer.model_validate(token)


@token_routes.delete("/{token_id}", summary="Revoke an API token")
async def revoke_token(caller: Anybody, token_id: RowId) -> Done:
    """Revoke an API token, at once and for ever."""
    token = await api_tokens.get_token(token_id)
    decide(caller, None, token)
    await api_tokens.revoke_token(token)
    return Done(message=f"Token '{token.name}' revoked successfully")


ROUTERS = (auth, user_routes, token_routes)
