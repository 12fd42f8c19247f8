# SPDX-License-Identifier: GPL-3.0-or-later
"""``/docs`` and ``/openapi.json``: the API described, public like its source."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import JSONResponse

from hostler.permission import Public
from hostler.routing import Router

router = Router()


@router.get("/openapi.json", include_in_schema=False)
async def openapi(_access: Annotated[None, Public()], request: Request) -> Response:
    """Answer the OpenAPI description."""
    return JSONResponse(request.app.openapi())


@router.get("/docs", include_in_schema=False)
async def docs(_access: Annotated[None, Public()], request: Request) -> Response:
    """Answer a page on which the API can be read and tried."""
    return get_swagger_ui_html(openapi_url="/openapi.json", title=request.app.title)
