# SPDX-License-Identifier: GPL-3.0-or-later
"""``/api/vms/actions``: one action on many VMs."""

from __future__ import annotations

from typing import Annotated

from fastapi.responses import JSONResponse

from hostler.bulk.actions import act_on_many
from hostler.bulk.schemas import ManyBody, ManyDryRun
from hostler.engine import EngineOf, require_hypervisor
from hostler.jobs.accepted import ACCEPTED
from hostler.jobs.crew import StillRunning
from hostler.machines.asked import AskedUnderKey
from hostler.permission import Caller, Requires
from hostler.routing import Router

router = Router(prefix="/api/vms/actions", tags=["vms"])

Writer = Annotated[Caller, Requires("write")]


@router.post(
    "",
    status_code=202,
    summary="Act on many VMs",
    responses={**ACCEPTED, 200: {"model": ManyDryRun, "description": "With `dry_run=true`: which VMs are meant"}},
)
async def act(caller: Writer, engine: EngineOf, asked: AskedUnderKey, body: ManyBody) -> JSONResponse:
    """Have an action done on many VMs, so many at a time. The answered job is the parent of those of the VMs."""
    await require_hypervisor()
    outcome = await act_on_many(engine, asked, body)
    if isinstance(outcome, ManyDryRun):
        return JSONResponse(outcome.model_dump(mode="json"))
    raise StillRunning(outcome, asked.preference.respond_async)
