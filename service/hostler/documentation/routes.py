# SPDX-License-Identifier: GPL-3.0-or-later
"""``/docs`` and ``/openapi.json``: public like the source that they describe."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request, Response
from starlette.responses import FileResponse, HTMLResponse, JSONResponse

from hostler.documentation import assets
from hostler.errors import NotFound
from hostler.permission import Public
from hostler.routing import Router

router = Router()

# Swagger UI's style sheet has its icons as data: addresses
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"}
_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}


@router.get("/openapi.json", include_in_schema=False)
async def openapi(_access: Annotated[None, Public()], request: Request) -> Response:
    """Answer the OpenAPI description."""
    return JSONResponse(request.app.openapi(), headers={"Cache-Control": "no-cache"})


@router.get("/docs", include_in_schema=False)
def docs(_access: Annotated[None, Public()]) -> Response:
    """Answer a page on which the API can be read and tried; it loads nothing from another host."""
    page = assets.page()
    if page is None:
        return HTMLResponse(assets.apology(), status_code=503, headers=_PAGE)
    return HTMLResponse(page, headers=_PAGE)


@router.get("/docs/{version}/{name}", include_in_schema=False)
def asset(_access: Annotated[None, Public()], version: str, name: str) -> Response:
    """Answer a file of the page, at an address that changes with its content."""
    if version != assets.version() or name not in assets.ASSETS:
        raise NotFound("There is nothing at this path")
    file, media_type = assets.ASSETS[name]
    return FileResponse(file, media_type=media_type, headers=_FOR_EVER)
