# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes that know who asks before they look at what is asked.

FastAPI reads the body first and resolves dependencies with it, so that a stranger with a malformed body would learn
422. Here a route finds its stated permission when it is made, refuses to be made without one, and on each request
authenticates and decides before it reads a byte of the body or looks at a parameter: 401 comes before 403, and 403
before 422 and 404.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from hostler.accounts.credentials import authenticate
from hostler.accounts.standing import STANDING, standing_of
from hostler.audit.origin import set_caller
from hostler.loopback import is_from_here
from hostler.permission import CALLER, StatedPermission, decide, everybody
from hostler.settings import Settings
from hostler.strictness import query_parameters, refuse_body, refuse_unknown_parameters


class UnstatedPermission(TypeError):
    """A route says neither what permission it asks for nor that it is public, or says several things."""


def stated_access(dependant: Dependant) -> StatedPermission | None:
    """Return the permission that an endpoint's signature states, None for a public one; raises UnstatedPermission."""
    stated = [
        dependency.call
        for dependency in dependant.dependencies
        if isinstance(dependency.call, StatedPermission) or dependency.call is everybody
    ]
    if len(stated) != 1:
        raise UnstatedPermission(
            f"{dependant.path}: state one permission in the signature, Annotated[Caller, Requires('read')] for one, or "
            "Annotated[None, Public()]"
        )
    access = stated[0]
    return access if isinstance(access, StatedPermission) else None


def needs_no_credential(request: Request) -> bool:
    """Whether the settings let this request pass at a route that is free from nearby."""
    settings: Settings = request.app.state.settings
    return settings.metrics_free_on_loopback and is_from_here(request)


class Route(APIRoute):
    """A route with a stated permission, which is decided first of all; a write is sent what it takes, and no more."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler: authenticate, decide, and only then FastAPI's own."""
        access = stated_access(self.dependant)
        known = query_parameters(self.dependant)
        # a route that reads its body itself, as a stream, describes it in `openapi_extra`
        takes_body = self.body_field is not None or "requestBody" in (self.openapi_extra or {})
        handle_well_formed = super().get_route_handler()

        async def handle(request: Request) -> Response:
            refuse_unknown_parameters(request, known)
            if not takes_body:
                await refuse_body(request)
            return await handle_well_formed(request)

        if access is None:
            return handle
        permission = access.permission

        async def checked(request: Request) -> Response:
            if access.free_nearby and needs_no_credential(request):
                request.scope[CALLER] = None
                return await handle(request)
            if access.stream:
                standing = await standing_of(request)
                caller, request.scope[STANDING] = await standing.caller(), standing
            else:
                caller = await authenticate(request)
            structlog.contextvars.bind_contextvars(user=caller.name)
            set_caller(caller)
            decide(caller, permission)
            request.scope[CALLER] = caller
            return await handle(request)

        return checked


class Router(APIRouter):
    """An APIRouter whose routes state their permissions; every room's ``routes.py`` makes one."""

    def __init__(self, *, prefix: str = "", tags: list[str] | None = None) -> None:
        super().__init__(prefix=prefix, tags=[*(tags or ())], route_class=Route)
