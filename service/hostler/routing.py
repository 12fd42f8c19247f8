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
from hostler.permission import CALLER, StatedPermission, decide, everybody


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


class Route(APIRoute):
    """A route with a stated permission, which is decided first of all."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler: authenticate, decide, and only then FastAPI's own."""
        access = stated_access(self.dependant)
        handle = super().get_route_handler()
        if access is None:
            return handle
        permission = access.permission

        async def checked(request: Request) -> Response:
            caller = await authenticate(request)
            structlog.contextvars.bind_contextvars(user=caller.name)
            decide(caller, permission)
            request.scope[CALLER] = caller
            return await handle(request)

        return checked


class Router(APIRouter):
    """An APIRouter whose routes state their permissions; every room's ``routes.py`` makes one."""

    def __init__(self, *, prefix: str = "", tags: list[str] | None = None) -> None:
        super().__init__(prefix=prefix, tags=[*(tags or ())], route_class=Route)
