# SPDX-License-Identifier: GPL-3.0-or-later
"""``/api/images``: the base images."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Depends, Path, Query, Request
from fastapi.responses import JSONResponse
from tortoise.queryset import QuerySet

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.image_upload import NewImage
from hostler.bodies import Done, StorableText
from hostler.engine import EngineOf, require_hypervisor
from hostler.errors import FieldProblem, InvalidRequest, NotFound
from hostler.images import actions
from hostler.images.conveyor import too_large
from hostler.images.models import Image
from hostler.images.schemas import ImageShown
from hostler.jobs.accepted import ACCEPTED
from hostler.machines.asked import AskedUnderKey
from hostler.machines.dry_run import DryRun
from hostler.paging import Page, Paging, fetch_page
from hostler.permission import Caller, Requires
from hostler.routing import Router

router = Router(prefix="/api/images", tags=["images"])

UPLOAD = ("POST", router.prefix)
"""The route that takes its body as a stream, and limits it by a setting."""

Reader = Annotated[Caller, Requires("read")]
Writer = Annotated[Caller, Requires("write")]
Hypervisors = Annotated[None, Depends(require_hypervisor)]
Format = Literal["qcow2", "raw", "iso"]

_BYTES = "application/octet-stream"
_WOULD_BE: dict[int | str, dict[str, Any]] = {
    200: {"model": DryRun, "description": "With `dry_run=true`: what would be done"}
}


ImageId = Annotated[int, Path(description="The image's id", ge=1, le=2**31 - 1)]


async def _image(image_id: ImageId) -> Image:
    row = await Image.get_or_none(id=image_id).select_related("server")
    if row is None:
        raise NotFound(f"Image with ID {image_id} not found", code="image_not_found")
    return row


ImageOf = Annotated[Image, Depends(_image)]


@router.get("", summary="List images")
async def list_images(
    caller: Reader,
    paging: Paging,
    server_id: Annotated[int | None, Query(description="Only those of this server", ge=1, le=2**31 - 1)] = None,
    format: Annotated[Format | None, Query(description="Only those of this format")] = None,  # noqa: A002
    search: Annotated[StorableText | None, Query(description="Text in the name, in any case", max_length=255)] = None,
) -> Page[ImageShown]:
    """Images in the order of their ids; answered from the database, without asking a hypervisor."""
    query: QuerySet[Image] = Image.all()
    if server_id is not None:
        query = query.filter(server_id=server_id)
    if format is not None:
        query = query.filter(format=format)
    if search:
        query = query.filter(name__icontains=search)
    rows, total = await fetch_page(query.select_related("server"), paging)
    return Page.of([ImageShown.of(row) for row in rows], total, paging)


@router.post(
    "",
    status_code=201,
    response_model=ImageShown,
    summary="Upload an image",
    responses={**ACCEPTED, **_WOULD_BE},
    openapi_extra={
        "requestBody": {
            "description": "The image as it is, not packed",
            "required": True,
            "content": {_BYTES: {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def upload_image(
    caller: Writer,
    _ready: Hypervisors,
    engine: EngineOf,
    asked: AskedUnderKey,
    request: Request,
    server_id: Annotated[int, Query(description="The server whose image pool gets it", ge=1, le=2**31 - 1)],
    name: Annotated[
        str,
        Query(
            description="What it is to be called: the volume's name",
            max_length=255,
            # shown, and checked by the core, which says in words what it asks for
            json_schema_extra={"pattern": r"^[^./\x00-\x1f\x7f-\x9f][^/\x00-\x1f\x7f-\x9f]*$"},
        ),
    ],
    format: Annotated[  # noqa: A002
        Format | None, Query(description="What it must be; left out, its name's ending says it, or else its content")
    ] = None,
    sha256: Annotated[
        str | None,
        Query(description="The SHA-256 of the content, which is checked on the way", pattern="^[0-9A-Fa-f]{64}$"),
    ] = None,
) -> ImageShown | JSONResponse:
    """Write the body, as it comes, to the server's image pool; all or nothing."""
    largest = engine.settings.largest_image_gb * 1024**3
    size = _announced_size(request, largest)
    outcome = await actions.upload(
        engine, asked, server_id, NewImage(name, format, sha256, size), largest, aiter(request.stream())
    )
    return JSONResponse(outcome.model_dump(mode="json")) if isinstance(outcome, DryRun) else outcome


@router.get("/{image_id}", summary="Show an image")
async def show_image(caller: Reader, row: ImageOf) -> ImageShown:
    """One image."""
    return ImageShown.of(row)


@router.delete("/{image_id}", response_model=Done | DryRun, summary="Delete an image", responses=ACCEPTED)
async def delete_image(
    caller: Writer, _ready: Hypervisors, engine: EngineOf, asked: AskedUnderKey, image_id: ImageId
) -> Done | DryRun:
    """Delete an image that no VM and no other volume needs."""
    try:
        row = await _image(image_id)
    except NotFound:
        deleted = await actions.deleted_before(engine, asked, image_id)
        if deleted is None:
            raise
        return deleted
    return await actions.delete(engine, asked, row)


def _announced_size(request: Request, largest: int) -> int | None:
    """The body's size in bytes, None where it isn't known beforehand; refuses a body that is no image as it is."""
    kind = request.headers.get("content-type", _BYTES).partition(";")[0].strip().lower()
    if kind != _BYTES:
        raise _refused("Content-Type", f"the body is the image itself, as {_BYTES}")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise _refused("Content-Encoding", "the image is sent as it is, not packed")
    length = request.headers.get("content-length")
    if length is None:
        return None
    if not (length.isascii() and length.isdigit() and len(length) < 20):
        raise _refused("Content-Length", "it is no number of bytes")
    if int(length) > largest:
        raise too_large(largest)
    return int(length)


def _refused(header: str, message: str) -> InvalidRequest:
    return InvalidRequest(f"The request is not valid: '{header}': {message}", errors=[FieldProblem(header, message)])
