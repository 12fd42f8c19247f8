# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do what: the one function that decides, and how a route states what it asks for.

A route names its permission in its signature, ``caller: Annotated[Caller, Requires("write")]``, and gets the
caller; one that is for everybody says ``access: Annotated[None, Public()]``. `hostler.routing` refuses a route that
says neither, and decides before the body is read. An action that has loaded what it is about may ask `decide`
again, with the target.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from fastapi import Request, params
from fastapi.security import OAuth2PasswordBearer
from fastapi.security.base import SecurityBase

from hostler.errors import Forbidden, Unauthenticated

CALLER = "hostler.caller"
"""Key of the ASGI scope under which the route's check leaves the caller."""


class Permission(StrEnum):
    """What a user, or a token, may do; none implies another."""

    READ = "read"
    """See everything but users, others' tokens, webhooks and the audit."""
    WRITE = "write"
    """Create, change and delete VMs."""
    ADMIN = "admin"
    """Users, everybody's tokens, servers, webhooks, the audit."""


_BY_NAME = {permission.value: permission for permission in Permission}


class Credential(StrEnum):
    """By what a caller is known."""

    SESSION = "session"
    """An access token, from a login."""
    API_TOKEN = "api_token"  # noqa: S105 - the kind of credential, not one
    SCHEDULE = "schedule"
    """None at all: a schedule of the user's asks, whose time has come."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a user, with what the credential at hand leaves of the user's permissions."""

    user_id: int
    name: str
    permissions: frozenset[Permission]
    credential: Credential
    session: str = ""
    """The family of the session; empty without one."""
    token_id: int | None = None
    """The id of the API token; None with a session."""
    token_prefix: str = ""
    """How the API token begins, to recognise it by; empty with a session."""
    token_name: str = ""
    """What its owner calls it."""


class CredentialRefused(Unauthenticated):
    """A credential that is none, or no longer good; whoever asks is told no more than that."""

    def __init__(self, reason: str, owner: Caller | None = None) -> None:
        super().__init__()
        self.reason = reason
        """A slug, for the audit."""
        self.owner = owner
        """Whose it was, where that is certain."""


class Personal(Protocol):
    """What belongs to one user alone, such as an API token."""

    @property
    def user_id(self) -> int:
        """The user's id."""


def decide(actor: Caller, action: Permission | None, target: Personal | None = None) -> None:
    """Let ``actor`` pass, or raise Forbidden.

    ``action`` is the permission that the action asks for, None where any user will do. A ``target`` that is
    personal is for its owner, and for administrators.
    """
    if action is not None and action not in actor.permissions:
        raise Forbidden
    if target is not None and target.user_id != actor.user_id and Permission.ADMIN not in actor.permissions:
        raise Forbidden


def known_permissions(names: Iterable[str]) -> frozenset[Permission]:
    """Return the permissions among ``names``; one that an older or newer program stored is left out."""
    return frozenset(_BY_NAME[name] for name in names if name in _BY_NAME)


class StatedPermission(SecurityBase):
    """The dependency behind `Requires`: hands the endpoint the caller that the route's check has found."""

    def __init__(self, permission: Permission | None, free_nearby: bool = False, stream: bool = False) -> None:
        self.permission = permission
        self.stream = stream
        """Whether a ticket will do, too, because a browser that opens a stream can't send a header."""
        self.free_nearby = free_nearby
        """Whether a request from the service's own machine needs no credential, where the settings allow that."""
        # what makes the docs page's Authorize button work
        scheme = OAuth2PasswordBearer(tokenUrl="/api/auth/login", refreshUrl="/api/auth/refresh", auto_error=False)
        self.model = scheme.model
        self.scheme_name = "login"

    async def __call__(self, request: Request) -> Caller | None:
        """Return the caller, whom the route's check has found before any dependency; None is a free one nearby."""
        caller: Caller | None = request.scope[CALLER]
        return caller


async def everybody() -> None:
    """Be the dependency behind `Public`."""


class Requires(params.Security):
    """States in a route's signature the permission that it asks for; without one, any user will do.

    The route of a stream says so: it takes a ticket as well, in its parameter ``ticket``.
    """

    def __init__(self, permission: str | None = None, *, stream: bool = False) -> None:
        stated = None if permission is None else Permission(permission)
        super().__init__(dependency=StatedPermission(stated, stream=stream), scopes=[stated] if stated else [])


class RequiresFromAfar(params.Security):
    """States a permission that only a request from another machine needs; the endpoint gets a caller, or None."""

    def __init__(self, permission: str) -> None:
        stated = Permission(permission)
        super().__init__(dependency=StatedPermission(stated, free_nearby=True), scopes=[stated])


class Public(params.Depends):
    """States in a route's signature that everybody may call it, without a credential."""

    def __init__(self) -> None:
        super().__init__(dependency=everybody)
