# SPDX-License-Identifier: GPL-3.0-or-later
"""``/api/vms/{id}/statistics`` and ``/api/servers/{id}/statistics``: what they use, for graphs."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query
from pydantic import AwareDatetime

from hostler.engine import EngineOf
from hostler.hosts.routes import ServerOf
from hostler.machines.routes import MachineOf
from hostler.permission import Caller, Requires
from hostler.routing import Router
from hostler.statistics.schemas import ServerStatistics, VmStatistics
from hostler.statistics.series import Span, span_of, statistics_of_server, statistics_of_vm

router = Router(tags=["statistics"])

Reader = Annotated[Caller, Requires("read")]


async def _span(
    engine: EngineOf,
    since: Annotated[
        AwareDatetime | None,
        Query(description="Since when, with its time zone; an hour ago unless it says, a day ago at most"),
    ] = None,
    resolution: Annotated[
        int | None,
        Query(
            description="Seconds from one value to the next; by default the finest that is kept for as long. Each "
            "reading (the setting statistics_seconds, 15) is kept for an hour, 60 for six hours, 300 for a day.",
            ge=1,
            le=300,
        ),
    ] = None,
) -> Span:
    return span_of(engine.statistics, since, resolution)


SpanOf = Annotated[Span, Depends(_span)]


@router.get("/api/vms/{vm_id}/statistics", summary="Show what a VM uses")
async def show_vm_statistics(caller: Reader, engine: EngineOf, machine: MachineOf, span: SpanOf) -> VmStatistics:
    """What a VM used on the server that it is on, and uses now; answered without asking that."""
    found = await statistics_of_vm(engine.statistics, machine.server_id, machine.id, span)
    return VmStatistics.model_validate({"id": machine.id, "name": machine.name, **found})


@router.get("/api/servers/{server_id}/statistics", summary="Show what a server uses")
async def show_server_statistics(caller: Reader, engine: EngineOf, server: ServerOf, span: SpanOf) -> ServerStatistics:
    """What a server and its VMs used, and use now; answered without asking it."""
    found = await statistics_of_server(engine.statistics, server.id, span)
    return ServerStatistics.model_validate({"id": server.id, "name": server.hostname, **found})
