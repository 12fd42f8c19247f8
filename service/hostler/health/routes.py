# SPDX-License-Identifier: GPL-3.0-or-later
"""``/healthz`` and ``/readyz``: for whoever restarts the service, or sends it requests. They say nothing else."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Response

from hostler.bodies import ResponseBody
from hostler.database import DatabaseUnavailable, rows
from hostler.permission import Public
from hostler.routing import Router

router = Router(tags=["health"])


class Health(ResponseBody):
    """Whether it lives."""

    status: Literal["ok"]


class Readiness(ResponseBody):
    """Whether it can serve requests."""

    status: Literal["ready", "unavailable"]


@router.get("/healthz", summary="Liveness")
async def healthz(_access: Annotated[None, Public()]) -> Health:
    """Answer 200 as long as the service answers at all."""
    return Health(status="ok")


@router.get(
    "/readyz",
    summary="Readiness",
    responses={503: {"model": Readiness, "description": "The database does not answer"}},
)
async def readyz(_access: Annotated[None, Public()], response: Response) -> Readiness:
    """Answer 200 when the database answers, else 503; no hypervisor is asked."""
    try:
        await rows("SELECT 1")
    except DatabaseUnavailable:
        response.status_code = 503
        return Readiness(status="unavailable")
    return Readiness(status="ready")
