# SPDX-License-Identifier: GPL-3.0-or-later
"""``/metrics``: for Prometheus."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Response
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from hostler.engine import EngineOf
from hostler.metrics.measures import REGISTRY
from hostler.metrics.stored import stored_registry
from hostler.metrics.usage import usage_registry
from hostler.permission import Caller, RequiresFromAfar
from hostler.routing import Router

router = Router(tags=["metrics"])


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,  # errors stay JSON
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def show_metrics(_caller: Annotated[Caller | None, RequiresFromAfar("read")], engine: EngineOf) -> Response:
    """Answer what the service counts, in Prometheus' text format. From the service's own machine no token is needed."""
    usage = await usage_registry(engine.statistics, engine.settings.metrics_per_vm)
    text = generate_latest(REGISTRY) + generate_latest(await stored_registry(engine.watch))
    # of thousands of VMs it takes a while to write
    text += await asyncio.to_thread(generate_latest, usage)
    return Response(text, media_type=CONTENT_TYPE_LATEST)
