# SPDX-License-Identifier: GPL-3.0-or-later
"""``/metrics``: for Prometheus."""

from __future__ import annotations

from typing import Annotated

from fastapi import Response
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from hostler.metrics.measures import REGISTRY
from hostler.metrics.stored import stored_registry
from hostler.permission import Caller, RequiresFromAfar
from hostler.routing import Router

router = Router(tags=["metrics"])


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,  # errors stay JSON
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def show_metrics(_caller: Annotated[Caller | None, RequiresFromAfar("read")]) -> Response:
    """Answer what the service counts, in Prometheus' text format. From the service's own machine no token is needed."""
    text = generate_latest(REGISTRY) + generate_latest(await stored_registry())
    return Response(text, media_type=CONTENT_TYPE_LATEST)
